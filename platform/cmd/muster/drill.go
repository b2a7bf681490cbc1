package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
)

// drillCmd breaks something on purpose.
type drillCmd struct {
	Rolling     rollingCmd     `cmd:"" help:"Replace every replica again and again under load: no request may fail."`
	ControlDown controlDownCmd `cmd:"" name:"control-down" help:"Keep control dead under load: no request may fail."`
	BrokerDown  brokerDownCmd  `cmd:"" name:"broker-down" help:"Keep the broker dead under load: orders are taken on, none is lost, and a message that nobody can handle is found and mended."`
}

// drillFlags are those of every drill.
type drillFlags struct {
	For  time.Duration `default:"60s" help:"How long."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

// report prints what a drill found; a target that did not hold ends it with status 1.
func (d drillFlags) report(t terminal, r *drill.Report) error {
	write := r.WriteTable
	if d.JSON {
		write = r.WriteJSON
	}
	if err := write(t.out); err != nil {
		return err
	}
	if r.Held() {
		return nil
	}
	var which []string
	for _, row := range r.Rows {
		if !row.Held {
			which = append(which, fmt.Sprintf("%s (%s, wanted %s)", row.What, row.Measured, row.Target))
		}
	}
	return notHeld(which)
}

// rollingCmd replaces replicas.
type rollingCmd struct{ drillFlags }

func (c *rollingCmd) Run(ctx context.Context, t terminal) error {
	return c.drill(ctx, t, func(shop *shopFleet, flows []drill.Flow) *drill.Report {
		return drill.Rolling(ctx, drill.RollingConfig{
			Fleet: shop, Services: reference.Names(), For: c.For, Least: int(c.For / time.Second), Flows: flows,
		})
	})
}

// controlDownCmd keeps control dead.
type controlDownCmd struct{ drillFlags }

// controlBack is how soon control must be ready when it may start again.
const controlBack = 5 * time.Second

func (c *controlDownCmd) Run(ctx context.Context, t terminal) error {
	return c.drill(ctx, t, func(shop *shopFleet, flows []drill.Flow) *drill.Report {
		return drill.Down(ctx, drill.Outage{
			Part: "control", For: c.For, Back: controlBack, Flows: flows,
			Kill:  func(away time.Duration) error { return shop.fleet.KillFor("control", away) },
			Alive: func() bool { return shop.lives("control") },
		})
	})
}

// drill runs a drill on a shop of two replicas each, under traffic.
func (d drillFlags) drill(ctx context.Context, t terminal, run func(*shopFleet, []drill.Flow) *drill.Report) error {
	return d.withShop(ctx, t, func(shop *shopFleet) (*drill.Report, error) {
		flows, closeTraffic, err := reference.Traffic(shop.url)
		if err != nil {
			return nil, err
		}
		defer closeTraffic()
		return run(shop, flows), nil
	})
}

// withShop runs a drill on a shop of two replicas each, prints its report and ends the shop.
func (d drillFlags) withShop(ctx context.Context, t terminal, run func(*shopFleet) (*drill.Report, error)) error {
	if d.For < time.Second {
		return usagef("--for must be at least 1s")
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	// a signal ends the traffic first and the fleet then: nobody's request fails by it
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	starting := context.AfterFunc(ctx, end)
	shop, err := openShop(life, shopOptions{dir: dir, replicas: 2, anyPort: true, inner: true, out: t.err, quiet: true})
	if err != nil {
		return err
	}
	if !starting() {
		return errors.Join(errInterrupted, shop.close())
	}
	r, err := run(shop)
	switch {
	case ctx.Err() != nil:
		err = errInterrupted
	case err == nil:
		err = d.report(t, r)
	}
	return errors.Join(err, shop.close())
}

const (
	answerWithin = reference.AnswerWithin
	demoProduct  = reference.Product
)
