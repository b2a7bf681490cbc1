package drills

import (
	"cmp"
	"context"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/reload"
	"github.com/musterdev/muster/platform/load"
)

// Reload tells the edge other things all the time, and puts another process in its place.
type Reload struct {
	For     time.Duration `default:"60s" help:"How long the edge is told other things."`
	Streams int           `default:"2000" help:"WebSockets, event streams and gRPC streams that are open, a third each."`
	Rate    *load.Rate    `placeholder:"N/s" help:"Requests a second; 300."`
	Seed    uint64        `placeholder:"N" help:"Makes documents and arrivals repeatable."`
	JSON    bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Reload) Run(ctx context.Context, t terminal.Terminal) error {
	if err := within(c.For, 2*time.Second, time.Hour); err != nil {
		return err
	}
	if c.Streams < 3 || c.Streams > 20_000 {
		return terminal.Usagef("--streams must be 3 to 20000, not %d", c.Streams)
	}
	rate, err := rate(c.Rate)
	exe, missing := os.Executable()
	if err := cmp.Or(err, missing); err != nil {
		return err
	}
	r, err := reload.Run(ctx, reload.Config{
		Command: []string{exe, StageVerb, reload.Argument}, For: c.For, Streams: c.Streams, Rate: rate, Seed: c.Seed,
	})
	return report(t, r, err, c.JSON)
}
