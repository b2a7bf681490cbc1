package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/drills"
	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
)

// drillCmd breaks something on purpose.
type drillCmd struct {
	Rolling     rollingCmd     `cmd:"" help:"Replace every replica again and again under load: no request may fail."`
	ControlDown controlDownCmd `cmd:"" name:"control-down" help:"Keep control dead under load: no request may fail."`
	History     historyCmd     `cmd:"" help:"Kill control again and again under load: what was seen before stays, and little is lost each time."`
	BrokerDown  brokerDownCmd  `cmd:"" name:"broker-down" help:"Keep the broker dead under load: orders are taken on, none is lost, and a message that nobody can handle is found and mended."`

	ServiceDown  drills.ServiceDown  `cmd:"" name:"service-down" help:"Kill and stop replicas under load: who may repeat a request sees nothing of it."`
	RegistryDown drills.RegistryDown `cmd:"" name:"registry-down" help:"Keep the registry dead under load while services restart, and let four of five replicas die when it is back."`
	Readdress    drills.Readdress    `cmd:"" help:"Move every instance to another port under load: no request may fail."`
	Partition    drills.Partition    `cmd:"" help:"Cut the way between two services under load: what needs it does with less, and all is well again at once."`

	RetryStorm   drills.RetryStorm   `cmd:"" name:"retry-storm" help:"Slow the last of three services down for a while: what is possible goes on, and all is well again at once."`
	TrafficSpike drills.TrafficSpike `cmd:"" name:"traffic-spike" help:"Let three times as many visitors come as three services can serve: the most important are served."`
	SlowReplica  drills.SlowReplica  `cmd:"" name:"slow-replica" help:"Slow one of ten replicas down: how long calls take, by the policy that chooses an instance."`
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
	return r.Err()
}

// rollingCmd replaces replicas.
type rollingCmd struct{ drillFlags }

func (c *rollingCmd) Run(ctx context.Context, t terminal) error {
	return c.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) { return gameday.Rolling(ctx, shop, c.For) })
}

// controlDownCmd keeps control dead.
type controlDownCmd struct{ drillFlags }

func (c *controlDownCmd) Run(ctx context.Context, t terminal) error {
	return c.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) { return gameday.ControlDown(ctx, shop, c.For) })
}

// brokerDownCmd keeps the broker dead, and has a message published that nobody can
// handle.
type brokerDownCmd struct {
	For  time.Duration `default:"20s" help:"How long the broker is dead."`
	Seed uint64        `placeholder:"N" help:"Makes the shoppers' choices repeatable."`
	JSON bool          `name:"json" help:"Print the report as JSON."`
}

func (c *brokerDownCmd) Run(ctx context.Context, t terminal) error {
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	return drillFlags{c.For, c.JSON}.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.BrokerDown{For: c.For, Seed: c.Seed, Muster: typed}.Drill(ctx, shop)
	})
}

// historyCmd kills control while requests are traced.
type historyCmd struct {
	Kills int  `default:"20" help:"How often."`
	JSON  bool `name:"json" help:"Print the report as JSON."`
}

func (c *historyCmd) Run(ctx context.Context, t terminal) error {
	if c.Kills < 1 || c.Kills > 1000 {
		return usagef("--kills must be 1 to 1000, not %d", c.Kills)
	}
	return drillFlags{time.Minute, c.JSON}.withShop(ctx, t, func(shop *reference.Fleet) (*drill.Report, error) {
		return gameday.History{Kills: c.Kills}.Drill(ctx, shop)
	})
}

// typed runs a command line as if a person had typed it.
func typed(ctx context.Context, args ...string) error {
	var said bytes.Buffer
	if run(ctx, args, terminal{out: io.Discard, err: &said}) != exitOK {
		return fmt.Errorf("%s", bytes.TrimSpace(said.Bytes()))
	}
	return nil
}

// withShop runs a drill on a shop of two replicas each, prints its report and ends the shop.
func (d drillFlags) withShop(ctx context.Context, t terminal, run func(*reference.Fleet) (*drill.Report, error)) error {
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
	r, err := run(shop.Fleet)
	switch {
	case ctx.Err() != nil:
		err = errInterrupted
	case err == nil:
		err = d.report(t, r)
	}
	return errors.Join(err, shop.close())
}
