package main

import (
	"context"
	"fmt"
	"os"

	"github.com/musterdev/muster/platform/drill/stage"
)

// stageCmd runs one service of a drill, as the environment says.
type stageCmd struct{}

func (*stageCmd) Run(ctx context.Context) error {
	if _, ok := os.LookupEnv("MUSTER_SERVICE"); !ok {
		return usagef("MUSTER_SERVICE is not set: this is a service of a drill, to be run by one")
	}
	if err := stage.Run(ctx, os.LookupEnv, os.Stderr); err != nil {
		return fmt.Errorf("stage: %w", err)
	}
	return nil
}
