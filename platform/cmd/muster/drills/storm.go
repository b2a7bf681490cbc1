package drills

import (
	"cmp"
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/own"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/drill/storm"
	"github.com/musterdev/muster/platform/load"
)

// stormFlags are those of the drills that give services trouble for a while.
type stormFlags struct {
	ownFlags

	For  time.Duration `default:"10s" help:"How long the trouble lasts, in whole seconds."`
	Rate *load.Rate    `placeholder:"N/s" help:"Requests a second that each service can do; 600, or 100 with --textbook. With -f visits a second; what the load file has at most if not given."`
	Seed uint64        `placeholder:"N" help:"Makes arrivals and choices repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

func (f stormFlags) config() (storm.Config, error) {
	if err := cmp.Or(within(f.For, time.Second, 10*time.Minute), f.alone()); err != nil {
		return storm.Config{}, err
	}
	if f.Rate != nil && !(*f.Rate >= 10 && *f.Rate <= 10_000) {
		return storm.Config{}, terminal.Usagef("--rate must be 10/s to 10000/s, not %s", *f.Rate)
	}
	rate, _ := rate(f.Rate) // more than 0, by the above
	command, err := stage.Itself(StageVerb)
	return storm.Config{Command: command, For: f.For, Seed: f.Seed, Capacity: float64(rate)}, err
}

// mine runs a drill on the user's own fleet.
func (f stormFlags) mine(ctx context.Context, t terminal.Terminal, choose func(*own.Fleet, own.Terms) (*own.Drill, error)) error {
	if err := within(f.For, time.Second, 10*time.Minute); err != nil {
		return err
	}
	rate, err := rate(f.Rate)
	if err != nil {
		return err
	}
	return f.ownFlags.run(ctx, t, f.JSON, own.Terms{For: f.For, Rate: rate, Seed: f.Seed}, choose)
}

func (f stormFlags) run(ctx context.Context, t terminal.Terminal, textbook bool, run func(context.Context, storm.Config) (*drill.Report, error)) error {
	cfg, err := f.config()
	if err != nil {
		return err
	}
	cfg.Textbook = textbook
	r, err := run(ctx, cfg)
	return report(t, r, err, f.JSON)
}

// RetryStorm has the last of three services work at a quarter of its speed.
type RetryStorm struct {
	stormFlags

	Textbook bool `help:"Show what three retries with backoff and jitter make of it, without Muster's defaults."`
}

// Run runs the drill.
func (c *RetryStorm) Run(ctx context.Context, t terminal.Terminal) error {
	switch {
	case c.own() && c.Textbook:
		return terminal.Usagef("--textbook is for the services that the drill brings; leave -f out")
	case c.own():
		return c.mine(ctx, t, (*own.Fleet).RetryStorm)
	}
	return c.run(ctx, t, c.Textbook, storm.Retry)
}

// TrafficSpike has three times as many visitors come as can be served.
type TrafficSpike struct{ stormFlags }

// Run runs the drill.
func (c *TrafficSpike) Run(ctx context.Context, t terminal.Terminal) error {
	if c.own() {
		return c.mine(ctx, t, (*own.Fleet).TrafficSpike)
	}
	return c.run(ctx, t, false, storm.Spike)
}
