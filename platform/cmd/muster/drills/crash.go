package drills

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/musterdev/muster/drivers/postgres/pgserver"
	"github.com/musterdev/muster/platform/cmd/muster/gameday"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/cmd/muster/terminal"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/crash"
	"github.com/musterdev/muster/platform/local"
)

// crashReplicas of each service.
const crashReplicas = 2

// Crash breaks everything that the shop runs on.
type Crash struct {
	For      time.Duration `default:"60s" help:"How long, 10s at least."`
	Database string        `default:"sqlite" enum:"sqlite,postgres" help:"Where the services keep their data: sqlite, or postgres for a server that is started for the drill, killed and started again."`
	Seed     uint64        `placeholder:"N" help:"Makes choices repeatable."`
	JSON     bool          `name:"json" help:"Print the report as JSON."`
}

// Run runs the drill.
func (c *Crash) Run(ctx context.Context, t terminal.Terminal) error {
	if err := within(c.For, 10*time.Second, 24*time.Hour); err != nil {
		return err
	}
	if c.Seed == 0 {
		c.Seed = rand.Uint64N(1 << 32)
	}
	dir, err := os.MkdirTemp("", "muster-drill-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it was temporary
	p := &local.Progress{Out: t.Err, Calm: true}
	p.Quiet.Store(true)
	o := reference.Options{Dir: dir, Replicas: crashReplicas, AnyPort: true, Out: t.Err, Events: p.Show}
	d := gameday.Crash{For: c.For, Seed: c.Seed, Tell: func(f crash.Fault) { _, _ = fmt.Fprintln(t.Err, f) }}
	if c.Database == "postgres" {
		if d.Postgres, err = pgserver.Start(pgserver.Config{}); err != nil {
			return fmt.Errorf("--database postgres: %w", err)
		}
		defer d.Postgres.Stop() // its databases go with it
		fresh, err := reference.CreateDatabases(ctx, d.Postgres.URL("postgres"), reference.Stored(), crashReplicas)
		if err != nil {
			return err
		}
		o.Databases = fresh.URLs
	}
	return onShop(ctx, t, o, c.JSON, func(shop *reference.Fleet) (*drill.Report, error) { return d.Drill(ctx, shop) })
}
