package drills

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/drill/replica"
	"github.com/musterdev/muster/platform/drill/stage"
)

// SlowReplica compares policies of choosing an instance while one of ten is slow.
type SlowReplica struct {
	For  time.Duration `default:"120s" help:"How long, all rounds together."`
	Rate float64       `default:"735" help:"Requests a second."`
	Seed uint64        `placeholder:"N" help:"Makes arrivals repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *SlowReplica) Run(ctx context.Context, t Terminal) error {
	if err := within(c.For, time.Second, time.Hour); err != nil {
		return err
	}
	if !(c.Rate >= 10 && c.Rate <= 10_000) {
		return usage("--rate must be 10 to 10000")
	}
	command, err := stage.Itself(StageVerb)
	if err != nil {
		return err
	}
	r, err := replica.Run(ctx, replica.Config{Command: command, For: c.For, Seed: c.Seed, Rate: c.Rate})
	return t.report(r, err, c.JSON)
}
