package gameday

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/platform/cmd/muster/reference"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/ops/models"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/shop/search"
	"github.com/musterdev/muster/shop/shopper"
)

const (
	rebuiltWithin = 20 * time.Second // from the order to make a read model anew until it is read
	rebuildBuyers = 4
	rebuildThink  = 20 * time.Millisecond
	seekers       = 2 // at the same time
)

// Rebuild has search's read model made anew, again and again, while shoppers order and seekers
// search.
type Rebuild struct {
	For    time.Duration // how long shoppers come
	Seed   uint64        // of their choices
	Muster Command       // by which a person has it made anew
}

// Drill returns what shoppers and seekers met, and what the read model was found to be.
func (b Rebuild) Drill(ctx context.Context, shop *reference.Fleet) (*drill.Report, error) {
	if err := b.first(ctx, shop); err != nil {
		return nil, err
	}
	shopping, end := context.WithTimeout(ctx, b.For)
	defer end()
	var shopped shopper.Result
	var seen sought
	var visitors sync.WaitGroup
	visitors.Go(func() {
		shopped = shopper.Run(ctx, shopper.Config{URL: shop.URL, Shoppers: rebuildBuyers, Think: rebuildThink, Seed: b.Seed, For: b.For})
	})
	for range seekers {
		visitors.Go(func() { seen.seek(shopping, shop.URL) })
	}
	var builds int
	var longest time.Duration
	var failed error
	for shopping.Err() == nil && failed == nil {
		var took time.Duration
		if took, failed = b.rebuild(ctx, shop); failed == nil {
			builds, longest = builds+1, max(longest, took)
		}
	}
	visitors.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	r := &drill.Report{Drill: "rebuild", Seed: b.Seed}
	r.Add("made anew and read by muster projection rebuild", fmt.Sprintf(">= 1, each within %s", rebuiltWithin),
		or(failed, fmt.Sprintf("%d times, within %s", builds, longest.Round(time.Millisecond))), builds > 0 && failed == nil)
	r.Add("searches that failed", "0", fmt.Sprintf("%d of %d", seen.failed, seen.answers), seen.failed == 0 && seen.answers > 0)
	r.Add("searches that found less than one before", "0", seen.less, seen.less == 0)
	r.Add("failed requests of shoppers", "0", fmt.Sprintf("%d of %d", shopped.Failed, shopped.Requests), shopped.Failed == 0 && shopped.Requests > 0)
	r.Notes = append(append(r.Notes, shopped.Failures...), seen.notes...)

	found, err := shop.Verify(ctx, shopped.Ledger, quietFor)
	if err != nil {
		return nil, err
	}
	prove(r, found)
	before, err := rows(ctx, shop)
	if err != nil {
		return nil, err
	}
	if _, err := b.rebuild(ctx, shop); err != nil {
		return nil, err
	}
	after, err := rows(ctx, shop)
	r.Add("made anew once more, and quiet", "as before, row for row", fmt.Sprintf("%d of %d rows differ", differ(before, after), len(before)),
		differ(before, after) == 0 && len(before) > 0)
	return r, err
}

// first returns when there is something to read at all.
func (b Rebuild) first(ctx context.Context, shop *reference.Fleet) error {
	for began := time.Now(); ; {
		_, err := mostOrdered(ctx, shop.URL+"/v1/search?limit=100")
		if err == nil {
			return nil
		}
		if time.Since(began) > rebuiltWithin {
			return fmt.Errorf("search finds nothing %s after the start: %w", rebuiltWithin, err)
		}
		if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// rebuild has the read model made anew and returns when it is read.
func (b Rebuild) rebuild(ctx context.Context, shop *reference.Fleet) (time.Duration, error) {
	began := time.Now()
	build, err := readBuild(ctx, shop)
	if err != nil {
		return 0, err
	}
	if err := b.Muster(ctx, "projection", "rebuild", "search", "--by", "the drill", "--why", "to see whether it can be", "-C", shop.Dir); err != nil {
		return 0, err
	}
	for time.Since(began) < rebuiltWithin {
		if err := pauseFor(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
		if now, err := readBuild(ctx, shop); err == nil && now != build {
			return time.Since(began), nil
		}
	}
	list, err := models.Of(ctx, ops.Of(shop.Processes().Status()))
	return 0, errors.Join(err, fmt.Errorf("not read after %s: %+v", rebuiltWithin, list))
}

// readBuild returns which build is read.
func readBuild(ctx context.Context, shop *reference.Fleet) (build string, err error) {
	db, err := shop.Database(ctx, "search")
	if err != nil {
		return "", err
	}
	defer func() { _ = db.Close() }() // it was only read
	return build, db.QueryRowContext(ctx, `SELECT build FROM muster_projection_build WHERE projection = 'search' AND state = 'live' ORDER BY code DESC, run DESC LIMIT 1`).Scan(&build)
}

// rows returns the rows that are read, by product.
func rows(ctx context.Context, shop *reference.Fleet) (map[string]string, error) {
	build, err := readBuild(ctx, shop)
	if err != nil {
		return nil, err
	}
	db, err := shop.Database(ctx, "search")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }() // it was only read
	all := map[string]string{}
	return all, tx.Read(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		found, err := t.QueryContext(ctx, `SELECT id, name, category, price, description, words, free, version, ordered FROM products_`+build) //nolint:gosec // a build's name
		if err != nil {
			return err
		}
		defer func() { _ = found.Close() }() // read to its end
		for found.Next() {
			var p search.Product
			var words string
			var version int64
			if err := found.Scan(&p.ID, &p.Name, &p.Category, &p.Price, &p.Description, &words, &p.Free, &version, &p.Ordered); err != nil {
				return err
			}
			all[p.ID] = fmt.Sprint(p, words, version)
		}
		return found.Err()
	})
}

// differ counts the rows that only one has, or that are not the same.
func differ(a, b map[string]string) (n int) {
	for id, row := range a {
		if b[id] != row {
			n++
		}
	}
	for id := range b {
		if _, ok := a[id]; !ok {
			n++
		}
	}
	return n
}

// sought is what seekers met.
type sought struct {
	mu      sync.Mutex
	answers int
	failed  int
	less    int
	notes   []string
}

// seek asks for the most ordered products until ctx ends. What was ordered is never taken
// back, so that no answer counts fewer than one before.
func (s *sought) seek(ctx context.Context, base string) {
	most := int64(0)
	for ctx.Err() == nil {
		ordered, err := mostOrdered(ctx, base+"/v1/search?limit=100")
		s.mu.Lock()
		switch {
		case ctx.Err() != nil:
		case err != nil:
			if s.failed++; s.failed == 1 {
				s.notes = append(s.notes, "a search failed: "+err.Error())
			}
		default:
			s.answers++
			if ordered < most {
				s.less++
			}
			most = max(most, ordered)
		}
		s.mu.Unlock()
		_ = pauseFor(ctx, 5*time.Millisecond) // the end of ctx ends the loop
	}
}

// mostOrdered adds up how often the products of a page were ordered, of which there are a hundred.
func mostOrdered(ctx context.Context, target string) (ordered int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }() // read as far as it is wanted
	if res.StatusCode != http.StatusOK {
		return 0, problem.FromResponse(res)
	}
	var page struct {
		Items []search.Product `json:"items"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&page); err != nil {
		return 0, err
	}
	if len(page.Items) != 100 {
		return 0, fmt.Errorf("%d products were found, not 100", len(page.Items))
	}
	for _, p := range page.Items {
		ordered += p.Ordered
	}
	return ordered, nil
}
