//go:build !race

package checkout_test

import (
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/crash"
)

// results are the points, and what became of them.
type results struct {
	engine string
	began  time.Time

	mu           sync.Mutex
	points       []point // left
	all, reached map[crash.Kind]int
	beside, met  int // of those that only some checkouts come to
	missed       []point
	failed       bool
	took         []time.Duration
}

// add adds the boundaries of a service, both sides of each.
func (r *results) add(s story, service string, names []string, sometimes bool) {
	for _, name := range names {
		for _, side := range []crash.Side{crash.Before, crash.After} {
			r.points = append(r.points, point{story: s, service: service, at: crash.Point{At: name, Side: side}, sometimes: sometimes})
		}
	}
}

// choose leaves only the points that were asked for: one, by CRASH_AT as a failure names
// it, or one of so many, by CRASH_SAMPLE, for a quick look.
func (r *results) choose(engine string) {
	if only := os.Getenv("CRASH_AT"); only != "" {
		r.points = slices.DeleteFunc(r.points, func(p point) bool { return engine+": "+p.String() != only })
	}
	if of, err := strconv.Atoi(os.Getenv("CRASH_SAMPLE")); err == nil && of > 1 {
		kept := r.points[:0]
		for i, p := range r.points {
			if i%of == 0 {
				kept = append(kept, p)
			}
		}
		r.points = kept
	}
}

// take returns a point that is left, of another service than last where there is one.
func (r *results) take(last string) (point, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.points) == 0 || r.failed {
		return point{}, false
	}
	i := slices.IndexFunc(r.points, func(p point) bool { return p.service != last })
	i = max(i, 0)
	p := r.points[i]
	r.points = slices.Delete(r.points, i, i+1)
	return p, true
}

func (r *results) note(t *testing.T, p point, hit bool, err error, took time.Duration) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed = true
		t.Errorf("%s: %v\nagain: CRASH_AT='%s: %s' go test -count=1 -v -run TestACrashAtEveryBoundary ./proof/checkout", p, err, r.engine, p)
		return
	}
	if p.sometimes {
		r.beside++
		if hit {
			r.met++
		}
		return
	}
	r.all[p.kind()]++
	r.took = append(r.took, took)
	if !hit {
		r.missed = append(r.missed, p)
		return
	}
	r.reached[p.kind()]++
}

// print prints the share, for which this test is there.
func (r *results) print(t *testing.T, engine string) {
	t.Helper()
	slices.Sort(r.took)
	hit, all := 0, len(r.points)
	for _, kind := range []crash.Kind{crash.Statement, crash.Commit, crash.Rollback, crash.Write} {
		if r.all[kind] > 0 {
			t.Logf("%s: %d of %d: before and after each %s", engine, r.reached[kind], r.all[kind], kind)
		}
		hit, all = hit+r.reached[kind], all+r.all[kind]
	}
	if n := len(r.took); n > 0 {
		t.Logf("%s: a checkout with its crash and its end: p50 %v, p99 %v, at most %v", engine, r.took[n/2], r.took[n*99/100], r.took[n-1])
	}
	for _, m := range r.missed {
		t.Errorf("%s: not reached: %s", engine, m)
	}
	t.Logf("share: %s: crashed at %d of %d sides of the boundaries of a checkout (%.1f %%) and at %d of %d that only some come to, in %v",
		engine, hit, all, 100*float64(hit)/float64(max(all, 1)), r.met, r.beside, time.Since(r.began).Round(time.Second))
}
