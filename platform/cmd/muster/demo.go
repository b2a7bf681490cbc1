package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// demoCmd runs the shop. Alone it serves until Ctrl-C; with --for shoppers come for
// a while, and the shop must have served them all and kept every promise.
type demoCmd struct {
	For       *time.Duration `placeholder:"30s" help:"Drive shoppers for so long."`
	Exit      bool           `help:"End afterwards; the exit status says whether everything held."`
	Chaos     bool           `help:"Two replicas each; every 2 s a random replica is killed."`
	Single    bool           `help:"Supervisor and engines in one process."`
	InProcess bool           `name:"in-process" help:"Everything in one process: services, engines and all."`
	Replicas  *int           `placeholder:"N" help:"Replicas of each service; 1, or 2 with --chaos."`
	Shoppers  int            `default:"8" help:"Shoppers at the same time."`
	Seed      uint64         `placeholder:"N" help:"Makes the shoppers' and the chaos's choices repeatable."`
	Dir       string         `placeholder:"DIR" help:"Keep the data here instead of a temporary folder."`
	JSON      bool           `name:"json" help:"Print the result as JSON."`

	// Set by check.
	length   time.Duration `kong:"-"` // of the shopping; 0: nobody comes
	replicas int           `kong:"-"`
}

const (
	chaosEvery = 2 * time.Second
	quietFor   = 15 * time.Second // how long after the shoppers every promise may still be on its way
	think      = 20 * time.Millisecond
)

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
	shop, err := c.open(ctx, dir, out)
	if err != nil {
		return err
	}
	err = c.serve(ctx, shop, t, out)
	return errors.Join(err, shop.close())
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

func (c *demoCmd) open(ctx context.Context, dir string, out io.Writer) (*shopFleet, error) {
	o := shopOptions{dir: dir, replicas: c.replicas, single: c.Single, anyPort: c.Exit, out: out, quiet: c.Chaos}
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
		return notHeld(o.missed)
	}
	return nil
}

// careless is what the one shopper without keys met.
type careless struct {
	Requests int      `json:"requests"`
	Orders   int      `json:"orders"`
	Failed   int      `json:"failed"`
	Failures []string `json:"failures,omitempty"`
}

// outcome is what a driven demo found.
type outcome struct {
	Requests   int                `json:"requests"`
	Orders     int                `json:"orders"`
	Failed     int                `json:"failed"`
	P50        float64            `json:"p50_ms"`
	P99        float64            `json:"p99_ms"`
	Failures   []string           `json:"failures,omitempty"`
	Careless   careless           `json:"careless"`
	Kills      map[string]int     `json:"kills,omitempty"`
	Violations []verify.Violation `json:"violations,omitempty"`
	Quiet      float64            `json:"quiet_s"` // until every promise was kept
	Seed       uint64             `json:"seed"`
	Held       bool               `json:"held"`
	line       string
	missed     []string // the targets that did not hold
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
		go func() { kills <- drill.Chaos(chaos, shop, chaosEvery, c.Seed) }()
	} else {
		kills <- nil
	}
	r := shopper.Run(ctx, shopper.Config{
		URL: shop.url, Shoppers: c.Shoppers, Careless: true, For: c.length, Think: think, Seed: c.Seed,
	})
	endChaos()
	o := &outcome{
		Requests: r.Requests, Orders: r.Orders, Failed: r.Failed, Failures: r.Failures, Careless: careless(r.Careless), Seed: c.Seed,
		P50: r.P50.Seconds() * 1000, P99: r.P99.Seconds() * 1000, Kills: <-kills, line: r.String(),
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	began := time.Now()
	var err error
	if o.Violations, err = shop.verify(ctx, r.Ledger, quietFor); err != nil {
		return nil, err
	}
	o.Quiet = time.Since(began).Seconds()
	o.judge()
	return o, nil
}

// judge says what held and what did not. Who has no keys must not repeat a request
// that may have had its effect, so each kill may cost that one shopper one answer.
func (o *outcome) judge() {
	killed := 0
	for _, n := range o.Kills {
		killed += n
	}
	o.missed = nil
	miss := func(missed bool, format string, args ...any) {
		if missed {
			o.missed = append(o.missed, fmt.Sprintf(format, args...))
		}
	}
	miss(o.Failed > 0, "%d requests failed", o.Failed)
	miss(o.Orders == 0, "nobody could order anything")
	miss(len(o.Violations) > 0, "%d invariants violated", violated(o.Violations))
	miss(o.Careless.Failed > killed, "the shopper without keys failed %d times, in %d kills", o.Careless.Failed, killed)
	o.Held = len(o.missed) == 0
}

func (o *outcome) print(w io.Writer) error {
	var b strings.Builder
	if o.Kills != nil {
		total := 0
		for _, service := range sortedKeys(o.Kills) {
			total += o.Kills[service]
			fmt.Fprintf(&b, "kills of %s: %d\n", service, o.Kills[service])
		}
		fmt.Fprintf(&b, "kills: %d, seed %d\n", total, o.Seed)
	}
	for _, f := range o.Failures {
		fmt.Fprintf(&b, "failed: %s\n", f)
	}
	fmt.Fprintf(&b, "one shopper without keys: requests=%d orders=%d failed=%d\n", o.Careless.Requests, o.Careless.Orders, o.Careless.Failed)
	for _, f := range o.Careless.Failures {
		fmt.Fprintf(&b, "  failed: %s\n", f)
	}
	fmt.Fprintf(&b, "invariants: %d proven, %d violated, %.1f s after the last shopper\n", len(verify.Invariants()), violated(o.Violations), o.Quiet)
	for _, v := range o.Violations {
		fmt.Fprintf(&b, "violated: %s\n", v)
	}
	b.WriteString(o.line + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func violated(list []verify.Violation) int {
	seen := map[string]bool{}
	for _, v := range list {
		seen[v.Invariant] = true
	}
	return len(seen)
}
