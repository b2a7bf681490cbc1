package drills

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load"
	"github.com/musterdev/muster/platform/local"
)

// shopFlags are those of the drills that break the reference shop.
type shopFlags struct {
	Rate load.Rate `placeholder:"N/s" help:"Visits a second; 500/s for service-down, 200/s for the others."`
	Seed uint64    `placeholder:"N" help:"Makes arrivals and choices repeatable."`
	JSON bool      `name:"json" help:"Print the report as JSON."`
}

// ServiceDown kills and stops replicas.
type ServiceDown struct{ shopFlags }

// Run runs the drill.
func (c *ServiceDown) Run(ctx context.Context, t Terminal) error {
	return c.run(ctx, t, nil, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.ServiceDown(ctx, shop, c.Rate, c.Seed)
	})
}

// RegistryDown keeps the registry dead while services restart.
type RegistryDown struct {
	shopFlags

	For time.Duration `default:"60s" help:"How long the registry is dead."`
}

// Run runs the drill.
func (c *RegistryDown) Run(ctx context.Context, t Terminal) error {
	if err := within(c.For, 5*time.Second, time.Hour); err != nil {
		return err
	}
	return c.run(ctx, t, nil, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.RegistryDown(ctx, shop, c.For, c.Rate, c.Seed)
	})
}

// Readdress moves every instance to another port.
type Readdress struct {
	shopFlags

	For time.Duration `default:"60s" help:"How long requests come."`
}

// Run runs the drill.
func (c *Readdress) Run(ctx context.Context, t Terminal) error {
	if err := within(c.For, 10*time.Second, time.Hour); err != nil {
		return err
	}
	return c.run(ctx, t, nil, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.Readdress(ctx, shop, c.For, c.Rate, c.Seed)
	})
}

// Partition cuts the way between two services.
type Partition struct {
	shopFlags

	For time.Duration `default:"10s" help:"How long the way is cut."`
}

// Run runs the drill.
func (c *Partition) Run(ctx context.Context, t Terminal) error {
	if err := within(c.For, 2*time.Second, time.Hour); err != nil {
		return err
	}
	ways := gameday.NewWays()
	return errors.Join(c.run(ctx, t, ways.Registry, func(shop *reference.Fleet) (*drill.Report, error) {
		return ways.Partition(ctx, shop, c.For, c.Rate, c.Seed)
	}), ways.Close())
}

// run breaks a shop of its own and ends it.
func (f *shopFlags) run(ctx context.Context, t Terminal, registry func(service, url string) string, run func(*reference.Fleet) (*drill.Report, error)) error {
	if f.Seed == 0 {
		f.Seed = rand.Uint64N(1 << 32)
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	// a signal ends the traffic first and the fleet then: nobody's request fails by it
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	starting := context.AfterFunc(ctx, end)
	shop, err := reference.Open(life, reference.Options{
		Dir: dir, Replicas: gameday.Replicas, AnyPort: true, Inner: true, Out: io.Discard, Registry: registry,
	})
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
	return errors.Join(t.report(r, err, f.JSON), shop.Close())
}
