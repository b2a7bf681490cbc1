package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/musterdev/muster/platform/cmd/muster/running"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// edgeVerbs are orders to the gateway of a fleet that runs.
type edgeVerbs struct {
	Upgrade edgeUpgrade `cmd:"" help:"Put a new process in its place, without a request that fails or a stream that ends."`
}

// edgeUpgrade puts a new process in the edge's place.
type edgeUpgrade struct {
	running.Fleet
	Binary string `placeholder:"PATH" help:"The muster binary that serves from now on; that of the fleet when not given."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *edgeUpgrade) Run(ctx context.Context, t terminal.Terminal) error {
	if c.Binary != "" {
		path, err := filepath.Abs(c.Binary)
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode().Perm()&0o111 == 0 {
			return terminal.Usagef("--binary: %s is no program", c.Binary)
		}
		c.Binary = path
	}
	if err := ctl.NewClient(c.Dir).Upgrade(ctx, "edge", c.Binary); err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(map[string]bool{"upgraded": true})
	}
	_, _ = fmt.Fprintln(t.Out, "a new edge serves; the one before goes on with what it has under way")
	return nil
}
