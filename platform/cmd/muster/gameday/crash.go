package gameday

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/musterdev/muster/drivers/postgres/pgserver"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/crash"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/shop/shopper"
)

// crashShoppers shop at the same time.
const crashShoppers = 8

// orchestrators are the shop's services that carry on sagas.
func orchestrators() []string { return []string{"orders", "payments"} }

// Crash breaks everything that the shop runs on, again and again, while shoppers order,
// and then looks whether every promise was kept.
type Crash struct {
	For      time.Duration // of the breaking and the shopping
	Seed     uint64        // of both
	Postgres *pgserver.Server
	Tell     func(crash.Fault) // told each fault as it happens; may be nil
}

// Drill breaks a shop that runs as processes, two replicas of each service or more.
// Postgres is the server that its databases are on; nil: they are files.
func (c Crash) Drill(ctx context.Context, shop *reference.Fleet) (*drill.Report, error) {
	cfg := crash.Config{
		Fleet: shop.Processes(), Killer: shop, Broker: shop.Broker, For: c.For, Apart: apart, Seed: c.Seed, Tell: c.Tell, Restart: c.restart(),
	}
	for _, service := range orchestrators() {
		db, err := shop.Database(ctx, service)
		if err != nil {
			return nil, err
		}
		defer func() { _ = db.Close() }() // it was only read
		cfg.Orchestrators = append(cfg.Orchestrators, crash.Orchestrator{Service: service, DB: db})
	}
	var shopped shopper.Result
	var shopping sync.WaitGroup
	visits, leave := context.WithCancel(ctx)
	defer leave()
	shopping.Go(func() {
		shopped = shopper.Run(visits, shopper.Config{URL: shop.URL, Shoppers: crashShoppers, Think: think, Seed: c.Seed, For: c.For})
	})
	broken, err := crash.Run(ctx, cfg)
	if err != nil {
		leave()
	}
	shopping.Wait()
	if err != nil {
		return nil, err
	}
	r := &drill.Report{Drill: "crash", Seed: c.Seed}
	broken.Report(r)
	r.Add("failed requests, each repeated under its key", "0", fmt.Sprintf("%d of %d", shopped.Failed, shopped.Requests), shopped.Failed == 0 && shopped.Requests > 0)
	r.Notes = append(r.Notes, shopped.Failures...)
	return r, c.prove(ctx, r, shop, shopped.Ledger)
}

// restart crashes the PostgreSQL server, in one of the two ways.
func (c Crash) restart() func(context.Context, *rand.Rand, time.Duration) (string, error) {
	if c.Postgres == nil {
		return nil
	}
	return func(ctx context.Context, r *rand.Rand, least time.Duration) (string, error) {
		how := []pgserver.Crash{pgserver.Killed, pgserver.Immediate}[r.IntN(2)]
		away, err := c.Postgres.Restart(ctx, how, least)
		return fmt.Sprintf("%s of PostgreSQL, away for %s", how, away.Round(time.Millisecond)), err
	}
}

// prove waits for quiet and adds what the shop has in the end.
func (c Crash) prove(ctx context.Context, r *drill.Report, shop *reference.Fleet, promised shopper.Ledger) error {
	began := time.Now()
	found, err := shop.Verify(ctx, promised, quietFor)
	if err != nil {
		return err
	}
	quiet := time.Since(began)
	r.Add("every order has ended and every event is handled", "within "+quietFor.String(), quiet.Round(100*time.Millisecond), len(found.Violations) == 0)
	prove(r, found)
	behind, parked, err := c.behind(ctx, shop, max(0, quietFor-quiet))
	r.Add("events not handled, copies too; parked", "0; 0", or(err, fmt.Sprintf("%d; %d", behind, parked)), err == nil && behind == 0 && parked == 0)
	return ctx.Err()
}

// behind asks the broker and all who park until nothing is left, or the time is over.
func (c Crash) behind(ctx context.Context, shop *reference.Fleet, within time.Duration) (behind, parked int64, err error) {
	for end := time.Now().Add(within); ; {
		var l ops.Lag
		l, err = ops.Of(shop.Processes().Status()).Lag(ctx)
		behind, parked = 0, 0
		for _, g := range l.Groups {
			behind += g.Lag
		}
		for _, p := range l.Parked {
			parked += p.Waiting + p.Dead
		}
		if err == nil && behind+parked == 0 || time.Now().After(end) {
			return behind, parked, err
		}
		if pauseFor(ctx, 100*time.Millisecond) != nil {
			return behind, parked, ctx.Err()
		}
	}
}
