package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/supervise/ctl"
)

// fleetDir names a fleet that runs, for the verbs that speak to it.
type fleetDir struct {
	Dir string `short:"C" default:"." placeholder:"DIR" help:"The folder whose fleet is meant."`
}

func (d fleetDir) client() *ctl.Client { return ctl.NewClient(d.Dir) }

// patience is how long a supervisor may take to say what it knows.
const patience = 5 * time.Second

// answered asks a supervisor something that takes it no time.
func answered[T any](ctx context.Context, d fleetDir, within time.Duration, ask func(*ctl.Client, context.Context) (T, error)) (T, error) {
	soon, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	v, err := ask(d.client(), soon)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: the supervisor has not answered for %s: continue it if it is stopped (fg, or kill -CONT PID), else end it (kill -9 PID)", d.Dir, within)
	}
	return v, err
}

// scaleCmd changes how many replicas run.
type scaleCmd struct {
	fleetDir
	Services []string `arg:"" placeholder:"SERVICE=N" help:"Services and how many replicas each: cart=3."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

func (c *scaleCmd) Run(ctx context.Context, t terminal) error {
	type order struct {
		service string
		n       int
	}
	var orders []order
	for _, text := range c.Services {
		name, number, ok := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 {
			return usagef("%q is not SERVICE=N, such as cart=3", text)
		}
		orders = append(orders, order{name, n})
	}
	scaled := map[string]int{}
	for _, o := range orders {
		if err := c.client().Scale(ctx, o.service, o.n); err != nil {
			return err
		}
		scaled[o.service] = o.n
		if !c.JSON {
			_, _ = fmt.Fprintf(t.out, "%s has %d replicas\n", o.service, o.n)
		}
	}
	if c.JSON {
		return writeJSON(t.out, scaled)
	}
	return nil
}

// downCmd ends a fleet.
type downCmd struct {
	fleetDir
	JSON bool `name:"json" help:"Print JSON."`
}

func (c *downCmd) Run(ctx context.Context, t terminal) error {
	if err := c.client().Down(ctx); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(t.out, map[string]bool{"ended": true})
	}
	_, _ = fmt.Fprintln(t.out, "the fleet has ended")
	return nil
}

// envCmd prints a service's environment.
type envCmd struct {
	fleetDir
	Service string `arg:"" help:"The service that is to be run by hand."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

func (c *envCmd) Run(ctx context.Context, t terminal) error {
	env, err := answered(ctx, c.fleetDir, patience, func(client *ctl.Client, ctx context.Context) (map[string]string, error) {
		return client.Environment(ctx, c.Service)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(t.out, env)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, err := fmt.Fprintf(t.out, "export %s=%s\n", name, shellQuote(env[name])); err != nil {
			return err
		}
	}
	return nil
}

// shellQuote quotes a value so that a POSIX shell reads it back as it is.
func shellQuote(s string) string {
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
