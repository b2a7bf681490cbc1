package drills

import (
	"context"
	"fmt"
	"os"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/cmd/muster/pages"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/delay"
	"github.com/musterdev/muster/platform/drill/reload"
	"github.com/musterdev/muster/platform/drill/stage"
)

// StageVerb is the hidden verb that runs a service of these drills.
const StageVerb = "stage"

// delayArgument is what StageVerb is given for a service of network-delay.
const delayArgument = "network-delay"

// Stage runs one service of a drill, as the environment says.
type Stage struct {
	Drill string `arg:"" optional:"" help:"network-delay, reload, or pages of reads; without it, the drills whose services work for a while."`
}

// Run runs the service until ctx ends.
func (c *Stage) Run(ctx context.Context) (err error) {
	if _, ok := os.LookupEnv("MUSTER_SERVICE"); !ok {
		return terminal.Usagef("MUSTER_SERVICE is not set: this is a service of a drill, to be run by one")
	}
	switch c.Drill {
	case "":
		err = stage.Run(ctx, os.LookupEnv, os.Stderr)
	case delayArgument:
		err = delay.Serve(ctx, os.LookupEnv, os.Stderr, reference.Drivers())
	case reload.Argument:
		err = reload.Serve(ctx, os.Stderr)
	case pages.Service.Name:
		err = muster.Run(ctx, []muster.Service{pages.Service}, reference.Drivers(), muster.LogTo(os.Stderr))
	default:
		return terminal.Usagef("no drill %q has services of its own", c.Drill)
	}
	if err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}
