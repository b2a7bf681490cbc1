package gameday

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/musterdev/muster/platform/cmd/muster/pages"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/problem"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
	"github.com/musterdev/muster/shop/shopper"
)

// Reads asks one question in three ways, in turn and on one shop: products with their price,
// what is in stock, and how often they were ordered.
type Reads struct {
	For    time.Duration // of each of the two parts: all is well, and inventory is dead
	Askers int           // at the same time; three at least, one for each way
	Seed   uint64
}

const (
	readWrites = 50                     // reservations after which is looked how soon a page shows them
	readBuyers = 2                      // shoppers, so that something is going on
	readThink  = 100 * time.Millisecond // of theirs
	staleMost  = 5 * time.Second
	soonest    = 2 * time.Millisecond // between two looks
)

// way is one of the ways to answer.
type way struct {
	name, path string
	asks       string

	took   []time.Duration // of the answers
	failed int
	note   string
	stale  []time.Duration // from a reservation to the answer that shows it
	dead   struct{ answers, failed int }
}

// Drill reports what each way costs and how old its answers are.
func (c Reads) Drill(ctx context.Context, shop *reference.Fleet) (*drill.Report, error) {
	ways := []*way{
		{name: "composition", path: pages.Composed + "?limit=20", asks: "catalog, inventory and orders"},
		{name: "copies", path: pages.Copied + "?limit=20", asks: "its own table"},
		{name: "search", path: "/v1/search?sort=id&limit=20", asks: "its read model"},
	}
	if err := agree(ctx, shop.URL, ways); err != nil {
		return nil, err
	}
	busy, rest := context.WithCancel(ctx)
	defer rest()
	var shopping sync.WaitGroup
	shopping.Go(func() {
		shopper.Run(busy, shopper.Config{URL: shop.URL, Shoppers: readBuyers, Think: readThink, Seed: c.Seed})
	})
	c.askAll(ctx, shop.URL, ways, 1, func(w *way, took time.Duration, err error) {
		if err != nil {
			w.failed++
			w.note = cmp.Or(w.note, err.Error())
			return
		}
		w.took = append(w.took, took)
	})
	staleness := write(ctx, shop.URL, ways)
	for _, id := range shop.Victims()["inventory"] {
		if err := shop.Processes().KillFor(id, c.For); err != nil {
			return nil, err
		}
	}
	c.askAll(ctx, shop.URL, ways, 0, func(w *way, _ time.Duration, err error) { // who waits for the dead keeps nobody else
		w.dead.answers++
		if err != nil {
			w.dead.failed++
		}
	})
	rest()
	shopping.Wait()
	if ctx.Err() != nil || staleness != nil {
		return nil, cmp.Or(ctx.Err(), staleness)
	}
	r := &drill.Report{Drill: "reads", Seed: c.Seed}
	for _, w := range ways {
		r.Add(w.name+", which asks "+w.asks, "no answer fails", fmt.Sprintf("p50 %s, p99 %s, %d of %d failed", at(w.took, 50), at(w.took, 99), w.failed, w.failed+len(w.took)),
			w.failed == 0 && len(w.took) > 0)
		if w.note != "" {
			r.Note("%s: %s", w.name, w.note)
		}
	}
	for _, w := range ways {
		r.Add(w.name+": how soon a change is seen", "within "+staleMost.String(), fmt.Sprintf("p50 %s, p99 %s of %d", at(w.stale, 50), at(w.stale, 99), len(w.stale)),
			len(w.stale) == readWrites && w.stale[len(w.stale)-1] <= staleMost)
	}
	for _, w := range ways {
		target, measured, held := "0", fmt.Sprintf("%d of %d", w.dead.failed, w.dead.answers), w.dead.failed == 0 && w.dead.answers > 0
		if w == ways[0] { // there is no page without it: who asks waits, and is refused
			target, held = "whatever it is", true
			if w.dead.answers == 0 {
				measured = "all, without an answer"
			}
		}
		r.Add(w.name+": failed while inventory is dead", target, measured, held)
	}
	err := agree(ctx, shop.URL, ways)
	r.Add("in the end all three say", "the same", or(err, "the same"), err == nil)
	return r, nil
}

// askAll has askers ask for a while: each way in turn with a step of 1, with 0 each asker
// one of them.
func (c Reads) askAll(ctx context.Context, base string, ways []*way, step int, told func(*way, time.Duration, error)) {
	ctx, cancel := context.WithTimeout(ctx, c.For)
	defer cancel()
	var mu sync.Mutex
	var askers sync.WaitGroup
	for i := range max(c.Askers, len(ways)) {
		askers.Go(func() {
			for n := i; ctx.Err() == nil; n += step {
				w := ways[n%len(ways)]
				began := time.Now()
				_, err := page(ctx, base+w.path)
				if ctx.Err() != nil {
					return
				}
				mu.Lock()
				told(w, time.Since(began), err)
				mu.Unlock()
			}
		})
	}
	askers.Wait()
}

// write reserves a piece again and again, and looks at each way how soon its page has one fewer.
func write(ctx context.Context, base string, ways []*way) error {
	u, err := url.Parse(base)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(u.Host, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // nothing runs on it any more
	inventory := inventoryv1.NewInventoryClient(conn)
	for n := range readWrites {
		if _, err := inventory.Reserve(ctx, &inventoryv1.ReserveRequest{
			Key: "reads-" + strconv.Itoa(n), TtlSeconds: 600, Lines: []*inventoryv1.Line{{Product: reference.Product, Quantity: 1}},
		}); err != nil {
			return problem.FromGRPC(err)
		}
		acknowledged := time.Now()
		now, err := inventory.Get(ctx, &inventoryv1.GetRequest{Product: reference.Product})
		if err != nil {
			return problem.FromGRPC(err)
		}
		var looking sync.WaitGroup
		for _, w := range ways {
			looking.Go(func() { w.stale = append(w.stale, seen(ctx, base+w.path, now.GetFree(), acknowledged)) })
		}
		looking.Wait()
	}
	for _, w := range ways {
		slices.Sort(w.stale)
		slices.Sort(w.took)
	}
	return ctx.Err()
}

// seen returns how long after a moment a page has no more than so many pieces free.
func seen(ctx context.Context, target string, free int64, after time.Time) time.Duration {
	for {
		items, err := page(ctx, target)
		took := time.Since(after)
		if err == nil && slices.ContainsFunc(items, func(p pages.Product) bool { return p.ID == reference.Product && p.Free <= free }) || took > staleMost || ctx.Err() != nil {
			return took
		}
		_ = pauseFor(ctx, soonest) // the end of ctx ends the loop
	}
}

// agree waits until all ways answer the same.
func agree(ctx context.Context, base string, ways []*way) error {
	for began := time.Now(); ; {
		var first []pages.Product
		var differs error
		for i, w := range ways {
			items, err := page(ctx, base+w.path)
			switch {
			case err != nil:
				differs = fmt.Errorf("%s: %w", w.name, err)
			case i == 0:
				first = items
			case !slices.Equal(first, items) || len(items) == 0:
				differs = fmt.Errorf("%s says %v and %s %v", ways[0].name, first, w.name, items)
			}
			if differs != nil {
				break
			}
		}
		if differs == nil || time.Since(began) > quietFor {
			return differs
		}
		if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// page asks for a page.
func page(ctx context.Context, target string) ([]pages.Product, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusOK {
		return nil, problem.FromResponse(res)
	}
	var p pages.Page
	err = json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&p)
	return p.Items, err
}

// at returns a percentile of what is sorted.
func at(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)].Round(10 * time.Microsecond)
}
