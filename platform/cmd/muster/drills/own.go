package drills

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill/own"
	"github.com/musterdev/muster/platform/local"
)

// ownFlags turn a drill to a fleet of the user's own.
type ownFlags struct {
	File        string   `short:"f" placeholder:"FILE" help:"Break the fleet of this muster.yaml, started for the drill alone, in place of one that the drill brings."`
	Environment string   `short:"e" placeholder:"NAME" help:"The environment laid over it."`
	Load        string   `placeholder:"FILE" help:"With -f: who comes meanwhile and what they do."`
	Service     []string `placeholder:"NAME" help:"With -f: whose replicas are broken; all that can be if not given."`
	State       string   `placeholder:"DIR" help:"With -f: keep the fleet's folder .muster, with logs and databases, in DIR; a temporary one if not given."`
}

// own reports whether a fleet of the user's own is meant.
func (f *ownFlags) own() bool { return f.File != "" }

// alone returns an error when flags are set that want a fleet of the user's own.
func (f *ownFlags) alone() error {
	for name, set := range map[string]bool{"--load": f.Load != "", "--service": len(f.Service) > 0, "--environment": f.Environment != "", "--state": f.State != ""} {
		if set {
			return terminal.Usagef("%s wants -f: the muster.yaml of the fleet that is to be broken", name)
		}
	}
	return nil
}

// run breaks the user's fleet by the drill that choose makes, and ends it.
func (f *ownFlags) run(ctx context.Context, t terminal.Terminal, asJSON bool, terms own.Terms, choose func(*own.Fleet, own.Terms) (*own.Drill, error)) (err error) {
	mine, err := own.Open(own.Files{Fleet: f.File, Environment: f.Environment, Load: f.Load, Env: os.LookupEnv})
	if err != nil {
		return err
	}
	terms.Services = f.Service
	if terms.Seed == 0 {
		terms.Seed = rand.Uint64N(1 << 32)
	}
	if err := mine.Fits(terms); err != nil {
		return err
	}
	d, err := choose(mine, terms)
	if err != nil {
		return err
	}
	dir := f.State
	if dir == "" {
		if dir, err = os.MkdirTemp("", "muster-drill-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	} else if err = os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	// a signal ends the traffic first and the fleet then: nobody's request fails by it
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	starting := context.AfterFunc(ctx, end)
	up, err := mine.Start(life, dir, d.Edges)
	if err != nil {
		return err
	}
	if !starting() {
		return errors.Join(local.ErrInterrupted, up.Stop())
	}
	r, err := d.Run(ctx, up)
	if ctx.Err() != nil {
		r, err = nil, local.ErrInterrupted
	}
	return errors.Join(report(t, r, err, asJSON), up.Stop())
}
