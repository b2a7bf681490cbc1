package main

import (
	"context"
	"errors"
	"os"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
)

// shopCmd runs one service of the shop: the demo's fleet starts this binary again
// for each instance, so that it needs no source tree.
type shopCmd struct {
	Service string `arg:"" help:"Its name."`
}

func (c *shopCmd) Run(ctx context.Context) error {
	for _, s := range reference.Services() {
		if s.Name == c.Service {
			return muster.Run(ctx, []muster.Service{s}, reference.Drivers(), muster.LogTo(os.Stderr))
		}
	}
	return terminal.Usage(errors.New("the shop has no service " + c.Service))
}
