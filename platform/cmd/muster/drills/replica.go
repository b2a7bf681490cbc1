package drills

import (
	"cmp"
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/own"
	"github.com/musterdev/muster/platform/drill/replica"
	"github.com/musterdev/muster/platform/drill/stage"
	"github.com/musterdev/muster/platform/load"
)

// SlowReplica compares policies of choosing an instance while one of ten is slow.
type SlowReplica struct {
	ownFlags

	For  time.Duration `placeholder:"120s" help:"How long, all rounds together, and 40s at least; half as many rounds more where the machine was too busy; with -f how long a replica is slow, 10s if not given."`
	Rate *load.Rate    `placeholder:"N/s" help:"Requests a second; 735, with -f visits a second, and what the load file has at most if not given."`
	Seed uint64        `placeholder:"N" help:"Makes arrivals repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *SlowReplica) Run(ctx context.Context, t terminal.Terminal) error {
	length := cmp.Or(c.For, map[bool]time.Duration{true: 10 * time.Second, false: 2 * time.Minute}[c.own()])
	if err := within(length, time.Second, time.Hour); err != nil {
		return err
	}
	rate, err := rate(c.Rate)
	if err != nil {
		return err
	}
	if c.own() {
		return c.run(ctx, t, c.JSON, own.Terms{For: length, Rate: rate, Seed: c.Seed}, (*own.Fleet).SlowReplica)
	}
	if err := c.alone(); err != nil {
		return err
	}
	rate = cmp.Or(rate, 735)
	if !(rate >= 10 && rate <= 10_000) {
		return terminal.Usagef("--rate must be 10/s to 10000/s, not %s", rate)
	}
	command, err := stage.Itself(StageVerb)
	if err != nil {
		return err
	}
	r, err := replica.Run(ctx, replica.Config{Command: command, For: length, Seed: c.Seed, Rate: float64(rate)})
	return report(t, r, err, c.JSON)
}
