package drills

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/drill/own"
	"github.com/musterdev/muster/platform/load"
)

// shopFlags are those of the drills that break the reference shop, or a fleet of the
// user's own.
type shopFlags struct {
	ownFlags

	Rate *load.Rate `placeholder:"N/s" help:"Visits a second; 500/s for service-down, 200/s for the others, with -f what the load file has at most."`
	Seed uint64     `placeholder:"N" help:"Makes arrivals and choices repeatable."`
	JSON bool       `name:"json" help:"Print the report as JSON."`
}

// least is how long a drill on a fleet of the user's own lasts at least; on the shop it
// may have to be longer.
const least = time.Second

// mine runs a drill on the user's own fleet.
func (f *shopFlags) mine(ctx context.Context, t terminal.Terminal, length time.Duration, choose func(*own.Fleet, own.Terms) (*own.Drill, error)) error {
	if err := within(length, least, time.Hour); err != nil {
		return err
	}
	rate, err := rate(f.Rate)
	if err != nil {
		return err
	}
	return f.ownFlags.run(ctx, t, f.JSON, own.Terms{For: length, Rate: rate, Seed: f.Seed}, choose)
}

// ServiceDown kills and stops replicas.
type ServiceDown struct {
	shopFlags

	For time.Duration `default:"15s" help:"How long a replica is stopped."`
}

// Run runs the drill.
func (c *ServiceDown) Run(ctx context.Context, t terminal.Terminal) error {
	if c.own() {
		return c.mine(ctx, t, c.For, (*own.Fleet).ServiceDown)
	}
	if err := within(c.For, 2*time.Second, time.Hour); err != nil {
		return err
	}
	return c.run(ctx, t, nil, func(shop *reference.Fleet, rate load.Rate) (*drill.Report, error) {
		return gameday.ServiceDown(ctx, shop, c.For, rate, c.Seed)
	})
}

// RegistryDown keeps the registry dead while services restart.
type RegistryDown struct {
	shopFlags

	For time.Duration `default:"60s" help:"How long the registry is dead."`
}

// Run runs the drill.
func (c *RegistryDown) Run(ctx context.Context, t terminal.Terminal) error {
	if c.own() {
		return c.mine(ctx, t, c.For, (*own.Fleet).RegistryDown)
	}
	if err := within(c.For, 5*time.Second, time.Hour); err != nil {
		return err
	}
	return c.run(ctx, t, nil, func(shop *reference.Fleet, rate load.Rate) (*drill.Report, error) {
		return gameday.RegistryDown(ctx, shop, c.For, rate, c.Seed)
	})
}

// Readdress moves every instance to another port.
type Readdress struct {
	shopFlags

	For time.Duration `default:"60s" help:"How long requests come."`
}

// Run runs the drill.
func (c *Readdress) Run(ctx context.Context, t terminal.Terminal) error {
	if c.own() {
		return c.mine(ctx, t, c.For, (*own.Fleet).Readdress)
	}
	if err := within(c.For, 10*time.Second, time.Hour); err != nil {
		return err
	}
	return c.run(ctx, t, nil, func(shop *reference.Fleet, rate load.Rate) (*drill.Report, error) {
		return gameday.Readdress(ctx, shop, c.For, rate, c.Seed)
	})
}

// Partition cuts the way between two services.
type Partition struct {
	shopFlags

	For        time.Duration `default:"10s" help:"How long the way is cut."`
	From       string        `placeholder:"NAME" help:"With -f: the service whose calls are cut off; edge for those of visitors."`
	To         string        `placeholder:"NAME" help:"With -f: the service that is called."`
	Delay      time.Duration `placeholder:"50ms" help:"With -f: make each round trip longer by this, in place of cutting the way."`
	Unaffected []string      `placeholder:"FLOW" help:"With -f: a flow of the load file that does not need the way, so that none of its requests may fail."`
}

// Run runs the drill.
func (c *Partition) Run(ctx context.Context, t terminal.Terminal) error {
	if c.own() {
		return c.mine(ctx, t, c.For, func(f *own.Fleet, terms own.Terms) (*own.Drill, error) {
			return f.Partition(terms, own.Way{From: c.From, To: c.To, Delay: c.Delay, Unaffected: c.Unaffected})
		})
	}
	if c.From+c.To != "" || c.Delay != 0 || len(c.Unaffected) > 0 {
		return terminal.Usagef("--from, --to, --delay and --unaffected want -f: the shop's way is from cart to catalog")
	}
	if err := within(c.For, 2*time.Second, time.Hour); err != nil {
		return err
	}
	edges := fault.NewEdges(1, nil)
	before := func(registry http.Handler) http.Handler { return fault.Registry(registry, edges) }
	return errors.Join(c.run(ctx, t, before, func(shop *reference.Fleet, rate load.Rate) (*drill.Report, error) {
		return gameday.Partition(ctx, shop, edges, c.For, rate, c.Seed)
	}), edges.Close())
}

// run breaks a shop of its own and ends it.
func (f *shopFlags) run(ctx context.Context, t terminal.Terminal, before func(http.Handler) http.Handler, run func(*reference.Fleet, load.Rate) (*drill.Report, error)) error {
	rate, err := rate(f.Rate)
	if err := cmp.Or(err, f.alone()); err != nil {
		return err
	}
	if f.Seed == 0 {
		f.Seed = rand.Uint64N(1 << 32)
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	return onShop(ctx, t, reference.Options{
		Dir: dir, Replicas: gameday.Replicas, AnyPort: true, Inner: true, Out: io.Discard, Single: before != nil, Before: before,
	}, f.JSON, func(shop *reference.Fleet) (*drill.Report, error) { return run(shop, rate) })
}
