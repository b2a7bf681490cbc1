package drills

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/overload"
	"github.com/musterdev/muster/platform/drill/stage"
)

// Overload asks five times as much of an edge as it can do.
type Overload struct {
	For  time.Duration `default:"10s" help:"How long too much is asked, in whole seconds."`
	Seed uint64        `placeholder:"N" help:"Makes arrivals and choices repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Overload) Run(ctx context.Context, t terminal.Terminal) error {
	if err := within(c.For, time.Second, 10*time.Minute); err != nil {
		return err
	}
	command, err := stage.Itself(StageVerb)
	if err != nil {
		return err
	}
	r, err := overload.Run(ctx, overload.Config{Command: command, For: c.For, Seed: c.Seed})
	return report(t, r, err, c.JSON)
}
