package drills

import (
	"context"
	"math/rand/v2"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/pages"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
)

// Reads compares ways to answer what several services know.
type Reads struct {
	For    time.Duration `default:"10s" help:"How long is asked, while all is well and then while inventory is dead."`
	Askers int           `default:"4" help:"How many ask at the same time."`
	Seed   uint64        `placeholder:"N" help:"Makes the shoppers' choices repeatable."`
	JSON   bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Reads) Run(ctx context.Context, t terminal.Terminal) error {
	if err := within(c.For, time.Second, time.Hour); err != nil {
		return err
	}
	if c.Askers < 3 || c.Askers > 1000 {
		return terminal.Usagef("--askers must be 3 to 1000, not %d: there are three ways to ask", c.Askers)
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	return onShop(ctx, t, reference.Options{
		Dir: dir, Replicas: 1, AnyPort: true, Inner: true, Out: t.Err, Beside: &reference.Beside{Name: pages.Service.Name, Run: []string{StageVerb, pages.Service.Name}, Route: pages.Route},
	}, c.JSON, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.Reads{For: c.For, Askers: c.Askers, Seed: c.Seed}.Drill(ctx, shop)
	})
}
