package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/shop/shopper"
)

// demoCmd runs the shop. Alone it serves until Ctrl-C; with --for shoppers come for
// a while, and the shop must have served them all and kept every promise.
type demoCmd struct {
	For       *time.Duration `placeholder:"30s" help:"Drive shoppers for so long."`
	Exit      bool           `help:"End afterwards; the exit status says whether everything held."`
	Chaos     bool           `help:"Two replicas each; every 2 s some process is killed, engines too."`
	Single    bool           `help:"Supervisor and engines in one process."`
	InProcess bool           `name:"in-process" help:"Everything in one process: services, engines and all."`
	Replicas  *int           `placeholder:"N" help:"Replicas of each service; 1, or 2 with --chaos."`
	Shoppers  int            `default:"8" help:"Shoppers at the same time."`
	Seed      uint64         `placeholder:"N" help:"Makes the shoppers' and the chaos's choices repeatable."`
	Dir       string         `placeholder:"DIR" help:"Keep the data here instead of a temporary folder."`
	Postgres  string         `placeholder:"URL" help:"Keep the services' data in fresh databases of this PostgreSQL server, dropped at the end."`
	JSON      bool           `name:"json" help:"Print the result as JSON."`

	// Set by check.
	length   time.Duration `kong:"-"` // of the shopping; 0: nobody comes
	replicas int           `kong:"-"`
}

const (
	chaosEvery = 2 * time.Second
	quietFor   = 30 * time.Second // how long after the shoppers every promise may still be on its way
	think      = 20 * time.Millisecond
)

// apart keeps the kills of a part that everything goes through apart: it is to be seen
// to come back.
var apart = map[string]time.Duration{"edge": 5 * time.Second, "broker": 5 * time.Second}

func (c *demoCmd) Run(ctx context.Context, t terminal) error {
	if err := c.check(); err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "muster-demo-"); err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }() // a temporary folder that stays is no failure of the demo
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return usageError{fmt.Errorf("--dir: %w", err)}
	}
	dir, err := filepath.Abs(dir) // the commands that it prints are for other terminals
	if err != nil {
		return usageError{fmt.Errorf("--dir: %w", err)}
	}
	out := t.out
	if c.JSON {
		out = t.err
	}
	return c.keep(ctx, func(databases map[string]string) error {
		shop, err := c.open(ctx, dir, out, databases)
		if err != nil {
			return err
		}
		err = c.serve(ctx, shop, t, out)
		return errors.Join(err, shop.close())
	})
}

// keep makes the databases that were asked for and drops them when run has ended.
func (c *demoCmd) keep(ctx context.Context, run func(databases map[string]string) error) error {
	if c.Postgres == "" {
		return run(nil)
	}
	fresh, err := reference.CreateDatabases(ctx, c.Postgres, reference.Stored(), c.replicas)
	if err != nil {
		return err
	}
	return errors.Join(run(fresh.URLs), fresh.Drop())
}

func (c *demoCmd) check() error {
	switch {
	case c.Chaos && c.InProcess:
		return usagef("--chaos kills processes and --in-process has only one: choose one of them")
	case c.Chaos && c.For == nil:
		return usagef("--chaos needs --for: how long?")
	case c.Exit && c.For == nil:
		return usagef("--exit needs --for: how long?")
	case c.For != nil && *c.For <= 0:
		return usagef("--for must be more than 0s, not %s; without it the shop is open until Ctrl-C", *c.For)
	case c.Shoppers < 1 || c.Shoppers > 1000:
		return usagef("--shoppers must be 1 to 1000, not %d", c.Shoppers)
	case c.Replicas != nil && (*c.Replicas < 1 || *c.Replicas > 16):
		return usagef("--replicas must be 1 to 16, not %d", *c.Replicas)
	case c.Chaos && c.Replicas != nil && *c.Replicas == 1:
		return usagef("--chaos needs at least 2 replicas: with one, its death is an outage")
	case c.InProcess && (c.Replicas != nil && *c.Replicas > 1 || c.Single):
		return usagef("--in-process has one of everything: leave --replicas and --single out")
	}
	c.replicas = 1
	if c.Chaos {
		c.replicas = 2
	}
	if c.Replicas != nil {
		c.replicas = *c.Replicas
	}
	if c.For != nil {
		c.length = *c.For
	}
	return nil
}

func (c *demoCmd) open(ctx context.Context, dir string, out io.Writer, databases map[string]string) (*shopFleet, error) {
	o := shopOptions{dir: dir, replicas: c.replicas, single: c.Single, anyPort: c.Exit, out: out, quiet: c.Chaos, databases: databases}
	if c.InProcess {
		return openInProcess(ctx, o)
	}
	return openShop(ctx, o)
}

func (c *demoCmd) serve(ctx context.Context, shop *shopFleet, t terminal, out io.Writer) error {
	if c.length == 0 {
		_, _ = io.WriteString(out, shop.welcome())
		return shop.wait(ctx)
	}
	o, err := c.drive(ctx, shop)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(t.out, o)
	} else {
		err = o.print(out)
	}
	if err != nil {
		return err
	}
	if !c.Exit {
		_, _ = io.WriteString(out, shop.welcome())
		return shop.wait(ctx)
	}
	if !o.Held {
		return notHeld(o.Missed)
	}
	return nil
}

// drive lets shoppers shop, with chaos where asked for, then waits for quiet and
// looks whether every promise was kept.
func (c *demoCmd) drive(ctx context.Context, shop *shopFleet) (*outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(shop.wait(ctx)) }() // a fleet that ends by itself ends the demo

	kills := make(chan map[string]int, 1)
	chaos, endChaos := context.WithTimeout(ctx, c.length)
	defer endChaos()
	if c.Chaos {
		go func() {
			kills <- drill.Chaos(chaos, drill.ChaosConfig{Fleet: shop, Every: chaosEvery, Apart: apart, Seed: c.Seed})
		}()
	} else {
		kills <- nil
	}
	r := shopper.Run(ctx, shopper.Config{
		URL: shop.url, Shoppers: c.Shoppers, Careless: true, For: c.length, Think: think, Seed: c.Seed,
	})
	endChaos()
	o := &outcome{
		Requests: r.Requests, Orders: r.Orders, Failed: r.Failed, Failures: r.Failures, Careless: carelessOf(r.Careless),
		P50: r.P50.Seconds() * 1000, P99: r.P99.Seconds() * 1000, Kills: <-kills, Seed: c.Seed, shopping: r.String(), length: c.length,
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, kind := range shop.kinds() {
		if c.Chaos {
			o.Kills[kind] += 0 // also one that was never killed is shown
		}
	}
	began := time.Now()
	found, err := shop.verify(ctx, r.Ledger, quietFor)
	if err != nil {
		return nil, err
	}
	o.found(found, time.Since(began))
	o.judge()
	return o, nil
}
