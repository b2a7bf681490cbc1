package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
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
	Visitors  bool           `default:"true" negatable:"" help:"While nobody is asked to shop for a while, let a visitor come and go, so that there is something to see."`
	Postgres  string         `placeholder:"URL" help:"Keep the services' data in fresh databases of this PostgreSQL server, dropped at the end."`
	JSON      bool           `name:"json" help:"Print the result as JSON."`

	// Set by check.
	length   time.Duration `kong:"-"` // of the shopping; 0: nobody comes
	replicas int           `kong:"-"`
}

func (c *demoCmd) Run(ctx context.Context, t terminal.Terminal) error {
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
		return terminal.Usage(fmt.Errorf("--dir: %w", err))
	}
	dir, err := filepath.Abs(dir) // the commands that it prints are for other terminals
	if err != nil {
		return terminal.Usage(fmt.Errorf("--dir: %w", err))
	}
	out := t.Out
	if c.JSON {
		out = t.Err
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
		return terminal.Usagef("--chaos kills processes and --in-process has only one: choose one of them")
	case c.Chaos && c.For == nil:
		return terminal.Usagef("--chaos needs --for: how long?")
	case c.Exit && c.For == nil:
		return terminal.Usagef("--exit needs --for: how long?")
	case c.For != nil && *c.For <= 0:
		return terminal.Usagef("--for must be more than 0s, not %s; without it the shop is open until Ctrl-C", *c.For)
	case c.Shoppers < 1 || c.Shoppers > 1000:
		return terminal.Usagef("--shoppers must be 1 to 1000, not %d", c.Shoppers)
	case c.Replicas != nil && (*c.Replicas < 1 || *c.Replicas > 16):
		return terminal.Usagef("--replicas must be 1 to 16, not %d", *c.Replicas)
	case c.Chaos && c.Replicas != nil && *c.Replicas == 1:
		return terminal.Usagef("--chaos needs at least 2 replicas: with one, its death is an outage")
	case c.InProcess && (c.Replicas != nil && *c.Replicas > 1 || c.Single):
		return terminal.Usagef("--in-process has one of everything: leave --replicas and --single out")
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

func (c *demoCmd) serve(ctx context.Context, shop *shopFleet, t terminal.Terminal, out io.Writer) error {
	if c.length == 0 {
		return c.stayOpen(ctx, shop, out)
	}
	o, err := gameday.Shopping{For: c.length, Shoppers: c.Shoppers, Chaos: c.Chaos, Seed: c.Seed}.Run(ctx, shop.Fleet)
	if err != nil {
		return err
	}
	if c.JSON {
		err = t.JSON(o)
	} else {
		err = o.Print(out)
	}
	if err != nil {
		return err
	}
	if !c.Exit {
		return c.stayOpen(ctx, shop, out)
	}
	if !o.Held {
		return notHeld(o.Missed)
	}
	return nil
}

// stayOpen serves until ctx ends, or the shop does.
func (c *demoCmd) stayOpen(ctx context.Context, shop *shopFleet, out io.Writer) error {
	_, _ = io.WriteString(out, shop.welcome())
	visiting, leave := context.WithCancel(ctx)
	var visits sync.WaitGroup
	if c.Visitors {
		visits.Go(func() { gameday.Visits(visiting, shop.URL, c.Seed) })
	}
	err := shop.Wait(ctx)
	leave()
	visits.Wait()
	return err
}
