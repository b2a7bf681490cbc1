package gameday

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

const (
	brokerBack   = 5 * time.Second  // how soon the broker must be ready when it may start again
	drainWithin  = 20 * time.Second // how soon after that every order must have ended
	warmUp       = 3 * time.Second  // of shopping before the broker dies
	brokerThink  = 50 * time.Millisecond
	brokerBuyers = 4
)

// BrokerDown keeps the broker dead while shoppers order, and then has a message
// published that nobody can handle.
type BrokerDown struct {
	For    time.Duration // how long the broker is dead
	Seed   uint64        // of the shoppers' choices
	Muster Command       // by which a person finds and settles the message
}

// Command runs the command line, as a person would; its error is what it said.
type Command func(ctx context.Context, args ...string) error

// Drill breaks a shop that runs as processes and reports what its shoppers met.
func (b BrokerDown) Drill(ctx context.Context, shop *reference.Fleet) (*drill.Report, error) {
	var shopped shopper.Result
	var shopping sync.WaitGroup
	shopping.Go(func() {
		shopped = shopper.Run(ctx, shopper.Config{
			URL: shop.URL, Shoppers: brokerBuyers, Think: brokerThink, Seed: b.Seed, For: warmUp + b.For,
		})
	})
	defer shopping.Wait()
	if err := pauseFor(ctx, warmUp); err != nil {
		return nil, err
	}
	before, err := orders(ctx, shop)
	if err != nil {
		return nil, err
	}
	r := drill.Down(ctx, drill.Outage{
		Part: "broker", For: b.For, Back: brokerBack,
		Kill:  func(away time.Duration) error { return shop.Processes().KillFor("broker", away) },
		Alive: func() bool { return shop.Lives("broker") },
	})
	r.Seed = b.Seed
	back := time.Now()
	shopping.Wait() // it ends as the broker comes back
	after, err := orders(ctx, shop)
	if err != nil {
		return nil, err
	}
	least := int64(b.For / time.Second)
	r.Add("orders accepted meanwhile", fmt.Sprintf(">= %d", least), after-before, after-before >= least)
	r.Add("failed requests", "0", fmt.Sprintf("%d of %d", shopped.Failed, shopped.Requests), shopped.Failed == 0 && shopped.Requests > 0)
	r.Notes = append(r.Notes, shopped.Failures...)

	found, err := shop.Verify(ctx, shopped.Ledger, max(0, drainWithin-time.Since(back)))
	if err != nil {
		return nil, err
	}
	r.Add("backlog drained", fmt.Sprintf("within %s", drainWithin), time.Since(back).Round(100*time.Millisecond), len(found.Violations) == 0)
	prove(r, found)
	return r, newPoison(shop, b.Muster).drill(ctx, r, shopped.Ledger)
}

// prove adds what the proof found.
func prove(r *drill.Report, found verify.Report) {
	r.Add("orders", "all ended, none lost or doubled", fmt.Sprintf("%d confirmed, %d compensated, %d lost, %d duplicated",
		found.Confirmed, found.Compensated, found.Lost, found.Duplicated), found.Confirmed > 0 && found.Lost+found.Duplicated == 0)
	r.Add("invariants violated", fmt.Sprintf("0 of %d", len(verify.Invariants())), violated(found.Violations), len(found.Violations) == 0)
	for _, v := range found.Violations {
		r.Note("%s", v)
	}
}

// orders returns how many orders were accepted so far.
func orders(ctx context.Context, shop *reference.Fleet) (n int64, err error) {
	db, err := shop.Database(ctx, "orders")
	if err != nil {
		return 0, err
	}
	defer func() { _ = db.Close() }() // it was only read
	return n, db.QueryRowContext(ctx, `SELECT COUNT(*) FROM orders`).Scan(&n)
}

// pauseFor returns nil when d has passed.
func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
