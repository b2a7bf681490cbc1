package drills

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
)

// Rebuild has a read model made anew under load.
type Rebuild struct {
	For  time.Duration `default:"20s" help:"How long shoppers and seekers come."`
	Seed uint64        `placeholder:"N" help:"Makes the shoppers' choices repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Rebuild) Run(ctx context.Context, t terminal.Terminal, typed gameday.Command) error {
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	return partFlags{c.For, c.JSON}.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.Rebuild{For: c.For, Seed: c.Seed, Muster: typed}.Drill(ctx, shop)
	})
}
