//go:build !race

package checkout_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/crash"
)

// Two crashes in one checkout: at a point, and, when that service lives again, at another
// of any service. All ordered pairs are a quarter of a million for an engine: `make soak`
// goes through them in an order that CRASH_SEED decides, for as long as CRASH_PAIRS says.
func TestCrashesAtPairsOfBoundaries(t *testing.T) {
	bound, err := time.ParseDuration(os.Getenv("CRASH_PAIRS"))
	if err != nil {
		t.Skip("CRASH_PAIRS is not set to a duration: make soak does")
	}
	seed, err := strconv.ParseUint(os.Getenv("CRASH_SEED"), 10, 64)
	if err != nil {
		seed = uint64(time.Now().UnixNano())
	}
	for _, on := range []func(*testing.T) engine{onSQLite, onPostgres} {
		e := on(t)
		t.Run(e.name, func(t *testing.T) { pairs(t, e, seed, bound/2) })
	}
}

func pairs(t *testing.T, e engine, seed uint64, bound time.Duration) {
	t.Helper()
	t.Logf("CRASH_SEED=%d", seed)
	first := newWorld(t, e, 0)
	r := &results{engine: e.name, began: time.Now(), reached: map[crash.Kind]int{}, all: map[crash.Kind]int{}}
	for _, s := range stories() {
		recorded := first.record(s)
		for _, p := range services() {
			r.add(s, p.Name, recorded.always[p.Name], false)
		}
	}
	var mu sync.Mutex
	draw := rand.New(rand.NewPCG(seed, 0)) // repeatable, not secret
	tried, both := 0, 0
	inWorlds(t, e, first, func(w *world) {
		for time.Since(r.began) < bound {
			mu.Lock()
			p, q := r.points[draw.IntN(len(r.points))], r.points[draw.IntN(len(r.points))]
			mu.Unlock()
			q.story = p.story
			hit, err := w.crashAt(p, &q)
			mu.Lock()
			tried++
			if hit {
				both++
			}
			mu.Unlock()
			if err != nil {
				w.t.Errorf("%s, and then %s %s: %v", p, q.service, q.at, err)
				return
			}
		}
	})
	t.Logf("%s: %d pairs of %d tried; in %d both services crashed, in the others the checkout did not come to the second", e.name, tried, len(r.points)*len(r.points), both)
}
