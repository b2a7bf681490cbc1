package drills

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/local"
)

// partFlags are those of the drills that break a part of the shop's platform.
type partFlags struct {
	For  time.Duration `default:"60s" help:"How long."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Rolling replaces replicas.
type Rolling struct{ partFlags }

// Run runs the drill.
func (c *Rolling) Run(ctx context.Context, t terminal.Terminal) error {
	return c.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) { return gameday.Rolling(ctx, shop, c.For) })
}

// ControlDown keeps control dead.
type ControlDown struct{ partFlags }

// Run runs the drill.
func (c *ControlDown) Run(ctx context.Context, t terminal.Terminal) error {
	return c.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) { return gameday.ControlDown(ctx, shop, c.For) })
}

// BrokerDown keeps the broker dead, and has a message published that nobody can handle.
type BrokerDown struct {
	For  time.Duration `default:"20s" help:"How long the broker is dead."`
	Seed uint64        `placeholder:"N" help:"Makes the shoppers' choices repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *BrokerDown) Run(ctx context.Context, t terminal.Terminal, typed gameday.Command) error {
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	return partFlags{c.For, c.JSON}.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.BrokerDown{For: c.For, Seed: c.Seed, Muster: typed}.Drill(ctx, shop)
	})
}

// History kills control while requests are traced.
type History struct {
	Kills int  `default:"20" help:"How often."`
	JSON  bool `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *History) Run(ctx context.Context, t terminal.Terminal) error {
	if c.Kills < 1 || c.Kills > 1000 {
		return terminal.Usagef("--kills must be 1 to 1000, not %d", c.Kills)
	}
	return partFlags{time.Minute, c.JSON}.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.History{Kills: c.Kills}.Drill(ctx, shop)
	})
}

// withShop runs a drill on a shop of two replicas each, prints its report and ends the
// shop.
func (f partFlags) withShop(ctx context.Context, t terminal.Terminal, run func(*reference.Fleet) (*drill.Report, error)) error {
	if f.For < time.Second {
		return terminal.Usagef("--for must be at least 1s")
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	p := &local.Progress{Out: t.Err, Calm: true}
	p.Quiet.Store(true)
	return onShop(ctx, t, reference.Options{Dir: dir, Replicas: 2, AnyPort: true, Inner: true, Out: t.Err, Events: p.Show}, f.JSON, run)
}

// onShop runs a drill on a shop of its own, prints its report and ends the shop.
func onShop(ctx context.Context, t terminal.Terminal, o reference.Options, asJSON bool, run func(*reference.Fleet) (*drill.Report, error)) error {
	// a signal ends the traffic first and the fleet then: nobody's request fails by it
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	starting := context.AfterFunc(ctx, end)
	shop, err := reference.Open(life, o)
	if err != nil {
		return err
	}
	if !starting() {
		return errors.Join(local.ErrInterrupted, shop.Close())
	}
	r, err := run(shop)
	if ctx.Err() != nil {
		r, err = nil, local.ErrInterrupted
	}
	return errors.Join(report(t, r, err, asJSON), shop.Close())
}
