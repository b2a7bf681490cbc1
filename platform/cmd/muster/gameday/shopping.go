package gameday

import (
	"context"
	"time"

	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/shop/shopper"
)

const (
	chaosEvery = 2 * time.Second
	quietFor   = 30 * time.Second // how long after the shoppers every promise may still be on its way
	think      = 20 * time.Millisecond
)

// apart keeps the kills of a part that everything goes through apart: it is to be seen
// to come back.
var apart = map[string]time.Duration{"edge": 5 * time.Second, "broker": 5 * time.Second}

// Shopping is shoppers who come for a while.
type Shopping struct {
	For      time.Duration
	Shoppers int  // at the same time, and one more who has no keys
	Chaos    bool // every 2 s some process is killed
	Seed     uint64
}

// Run lets shoppers shop, with chaos where asked for, then waits for quiet and looks
// whether every promise was kept. A shop that ends by itself ends it with an error.
func (s Shopping) Run(ctx context.Context, shop *reference.Fleet) (*Outcome, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { cancel(shop.Wait(ctx)) }()

	kills := make(chan map[string]int, 1)
	chaos, endChaos := context.WithTimeout(ctx, s.For)
	defer endChaos()
	if s.Chaos {
		go func() {
			kills <- drill.Chaos(chaos, drill.ChaosConfig{Fleet: shop, Every: chaosEvery, Apart: apart, Seed: s.Seed})
		}()
	} else {
		kills <- nil
	}
	r := shopper.Run(ctx, shopper.Config{
		URL: shop.URL, Shoppers: s.Shoppers, Careless: true, For: s.For, Think: think, Seed: s.Seed,
	})
	endChaos()
	o := &Outcome{
		Requests: r.Requests, Orders: r.Orders, Failed: r.Failed, Failures: r.Failures, Careless: carelessOf(r.Careless),
		P50: r.P50.Seconds() * 1000, P99: r.P99.Seconds() * 1000, Kills: <-kills, Seed: s.Seed, shopping: r.String(), length: s.For,
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, kind := range shop.Kinds() {
		if s.Chaos {
			o.Kills[kind] += 0 // also one that was never killed is shown
		}
	}
	began := time.Now()
	found, err := shop.Verify(ctx, r.Ledger, quietFor)
	if err != nil {
		return nil, err
	}
	o.found(found, time.Since(began))
	o.judge()
	return o, nil
}
