package gameday

import (
	"context"
	"time"

	"github.com/musterdev/muster/shop/shopper"
)

const (
	visitLength = time.Minute // of which a shopper remembers everything
	visitRate   = 6           // requests a second
)

// Visits lets two unhurried shoppers come, one after another, until ctx ends: a shop
// that is looked at is to have something going on. What becomes of them nobody judges.
func Visits(ctx context.Context, url string, seed uint64) {
	for ; ctx.Err() == nil; seed++ {
		shopper.Run(ctx, shopper.Config{URL: url, Shoppers: 2, For: visitLength, Rate: visitRate, Seed: seed})
	}
}
