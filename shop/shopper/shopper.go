// Package shopper is the shop's load: shoppers who browse, search, fill carts and
// check out over HTTP, as a browser would, and who remember what they were promised.
//
// An order is accepted at once and carried out later: a shopper asks after it until it
// is confirmed or failed, between other visits. A few are cancelled as soon as they are
// placed. That an order fails, because its payment was declined or it was cancelled, is
// a legitimate end.
//
// A shopper with keys repeats a request that got no final answer, under the same
// Idempotency-Key, for up to 15 seconds; the request counts as failed when its final
// answer is not the expected one. So a fleet that loses an instance must not fail a
// single request. A careless shopper has no keys and repeats an unsafe request only
// when nobody was there to take it, so that nothing was sent; what it loses is counted
// apart.
package shopper

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Config says who shops, where and how fast.
type Config struct {
	URL      string        // of the shop, such as http://127.0.0.1:8080
	Shoppers int           // with keys, all at once; 0 means 8
	Careless bool          // one more shopper, without keys
	For      time.Duration // how long new visits begin; 0: until the context ends
	Think    time.Duration // the mean pause of a shopper between two requests; 0: none
	Rate     float64       // most requests a second of all together; 0: no bound
	Seed     uint64        // the same seed makes the same choices
	Client   *http.Client  // nil: one of its own
}

// Result is what came of it.
type Result struct {
	Tally                  // of the shoppers with keys
	Careless Tally         // of the one without
	Ledger   Ledger        // what all of them were promised
	P50, P99 time.Duration // from a request's first attempt to its final answer, for shoppers with keys
	Elapsed  time.Duration
}

// Tally counts final answers.
type Tally struct {
	Requests int
	Orders   int      // accepted
	Failed   int      // the final answer was not the expected one
	Failures []string // the first few, described

	// Of the orders accepted: those seen confirmed, and those seen failed, which is a
	// legitimate end. Others had not ended yet when their shopper left.
	Confirmed, Compensated int
}

// maxFailures bounds the failures described.
const maxFailures = 5

// String returns the result on one line.
func (r Result) String() string {
	return fmt.Sprintf("requests=%d orders=%d failed=%d p50=%s p99=%s",
		r.Requests, r.Orders, r.Failed, r.P50.Round(10*time.Microsecond), r.P99.Round(10*time.Microsecond))
}

// Run lets shoppers shop. When cfg.For is over, each ends its visit after the request
// under way and that request's repetitions; when ctx ends, requests are cut off and
// those that were count neither as requests nor as failed.
func Run(ctx context.Context, cfg Config) Result {
	if cfg.Shoppers == 0 {
		cfg.Shoppers = 8
	}
	if cfg.Client == nil {
		t := &http.Transport{MaxIdleConnsPerHost: cfg.Shoppers + 1, IdleConnTimeout: 30 * time.Second}
		defer t.CloseIdleConnections()
		cfg.Client = &http.Client{Transport: t}
	}
	open, closing := ctx, context.CancelFunc(func() {})
	if cfg.For > 0 {
		open, closing = context.WithTimeout(ctx, cfg.For)
	}
	defer closing()

	began := time.Now()
	pace := newPace(cfg.Rate)
	careful := make([]*shopper, cfg.Shoppers)
	var shopping sync.WaitGroup
	for i := range careful {
		careful[i] = newShopper(cfg, pace, i, true)
		shopping.Go(func() { careful[i].shop(ctx, open) })
	}
	careless := newShopper(cfg, pace, cfg.Shoppers, false)
	if cfg.Careless {
		shopping.Go(func() { careless.shop(ctx, open) })
	}
	shopping.Wait()

	times := newHistogram()
	r := Result{Careless: careless.tally, Ledger: careless.ledger, Elapsed: time.Since(began)}
	for _, s := range careful {
		r.Tally.add(s.tally)
		r.Ledger.add(s.ledger)
		times.Merge(s.times)
	}
	r.P50 = time.Duration(times.ValueAtQuantile(50)) * time.Microsecond
	r.P99 = time.Duration(times.ValueAtQuantile(99)) * time.Microsecond
	return r
}

func (t *Tally) add(o Tally) {
	t.Requests += o.Requests
	t.Orders += o.Orders
	t.Failed += o.Failed
	t.Confirmed += o.Confirmed
	t.Compensated += o.Compensated
	room := min(len(o.Failures), maxFailures-len(t.Failures))
	t.Failures = append(t.Failures, o.Failures[:room]...)
}

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, int64(time.Minute/time.Microsecond), 3) // microseconds, three digits
}

// shopper is one of them. It is for one goroutine.
type shopper struct {
	base   string
	client *http.Client
	keys   bool // repeats under keys
	think  time.Duration
	pace   *pace
	random *rand.Rand
	name   string // begins the keys, so that no two shoppers or runs share one
	count  int    // of the keys made

	awaits []awaited
	tally  Tally
	ledger Ledger
	times  *hdrhistogram.Histogram
}

func newShopper(cfg Config, pace *pace, n int, keys bool) *shopper {
	return &shopper{
		base: cfg.URL, client: cfg.Client, keys: keys, think: cfg.Think, pace: pace,
		random: rand.New(rand.NewPCG(cfg.Seed, uint64(n))), //nolint:gosec // choices of a load, to be repeated
		name:   fmt.Sprintf("shopper-%s-%d", newRun(), n),
		times:  newHistogram(),
	}
}

// shop makes one visit after the other until open ends.
func (s *shopper) shop(ctx, open context.Context) {
	for open.Err() == nil {
		v := &visit{shopper: s, ctx: ctx, open: open}
		v.run()
	}
}
