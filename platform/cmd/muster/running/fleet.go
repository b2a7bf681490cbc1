// Package running is the verbs that speak to a fleet that runs: what it does, how it is
// mended, and what it was seen to do.
package running

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/ctl"
)

// Fleet names a fleet that runs, for the verbs that speak to it.
type Fleet struct {
	Dir string `short:"C" default:"." placeholder:"DIR" help:"The folder whose fleet is meant."`
}

func (d Fleet) client() *ctl.Client { return ctl.NewClient(d.Dir) }

// patience is how long a supervisor may take to say what it knows.
const patience = 5 * time.Second

// answered asks a supervisor something that takes it no time.
func answered[T any](ctx context.Context, d Fleet, within time.Duration, ask func(*ctl.Client, context.Context) (T, error)) (T, error) {
	soon, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	v, err := ask(d.client(), soon)
	if ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("%s: the supervisor has not answered for %s: continue it if it is stopped (fg, or kill -CONT PID), else end it (kill -9 PID)", d.Dir, within)
	}
	return v, err
}

// Status returns what runs.
func (d Fleet) Status(ctx context.Context) (supervise.Status, error) {
	return answered(ctx, d, patience, (*ctl.Client).Status)
}

// Scale changes how many replicas run.
type Scale struct {
	Fleet
	Services []string `arg:"" placeholder:"SERVICE=N" help:"Services and how many replicas each: cart=3."`
	JSON     bool     `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *Scale) Run(ctx context.Context, t terminal.Terminal) error {
	type order struct {
		service string
		n       int
	}
	var orders []order
	for _, text := range c.Services {
		name, number, ok := strings.Cut(text, "=")
		n, err := strconv.Atoi(number)
		if !ok || err != nil || n < 0 {
			return terminal.Usagef("%q is not SERVICE=N, such as cart=3", text)
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
			_, _ = fmt.Fprintf(t.Out, "%s has %d replicas\n", o.service, o.n)
		}
	}
	if c.JSON {
		return t.JSON(scaled)
	}
	return nil
}

// Down ends a fleet.
type Down struct {
	Fleet
	JSON bool `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *Down) Run(ctx context.Context, t terminal.Terminal) error {
	if err := c.client().Down(ctx); err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(map[string]bool{"ended": true})
	}
	_, _ = fmt.Fprintln(t.Out, "the fleet has ended")
	return nil
}

// Env prints a service's environment.
type Env struct {
	Fleet
	Service string `arg:"" help:"The service that is to be run by hand."`
	JSON    bool   `name:"json" help:"Print JSON."`
}

// Run runs the verb.
func (c *Env) Run(ctx context.Context, t terminal.Terminal) error {
	env, err := answered(ctx, c.Fleet, patience, func(client *ctl.Client, ctx context.Context) (map[string]string, error) {
		return client.Environment(ctx, c.Service)
	})
	if err != nil {
		return err
	}
	if c.JSON {
		return t.JSON(env)
	}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		if _, err := fmt.Fprintf(t.Out, "export %s=%s\n", name, terminal.Quote(env[name])); err != nil {
			return err
		}
	}
	return nil
}
