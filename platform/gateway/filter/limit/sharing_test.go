package limit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/platform/gateway/filter"
)

// slow is a store that takes a while.
type slow struct {
	cachetest.Memory

	calls atomic.Int64
}

func (s *slow) Get(ctx context.Context, keys []string) (map[string][]byte, error) {
	s.calls.Add(1)
	time.Sleep(time.Millisecond)
	return s.Memory.Get(ctx, keys)
}

func (s *slow) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	s.calls.Add(1)
	time.Sleep(time.Millisecond)
	return s.Memory.Set(ctx, changes)
}

// fleet is some gateways that share one limit, with what they let through and when.
type fleet struct {
	t        *testing.T
	gateways []filter.Filter
	mu       sync.Mutex
	passed   []time.Time
	refused  int
	all      sync.WaitGroup
}

func newFleet(t *testing.T, store cache.Shared, n int, log *bytes.Buffer) *fleet {
	f := &fleet{t: t}
	out := slog.New(slog.DiscardHandler)
	if log != nil {
		out = slog.New(slog.NewTextHandler(log, nil))
	}
	for range n {
		e := env()
		e.Store, e.Log = store, out
		f.gateways = append(f.gateways, build(t, e, `{"rate":"100/s burst 20","shared":{}}`))
	}
	time.Sleep(2 * time.Second) // until they know each other
	return f
}

// ask has one request come to a gateway.
func (f *fleet) ask(gateway int) {
	f.all.Go(func() {
		r := from("192.0.2.1", 0)
		r.Began = time.Now()
		err := f.gateways[gateway].Request(f.t.Context(), r)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err == nil {
			f.passed = append(f.passed, time.Now())
		} else {
			f.refused++
		}
	})
}

// end waits for the requests under way, ends the gateways, and returns how many passed.
func (f *fleet) end() int {
	f.all.Wait()
	for _, g := range f.gateways {
		_ = g.(filter.Closer).Close()
	}
	return len(f.passed)
}

// most checks that in no time more passed than is promised.
func (f *fleet) most(what string) {
	const rate, burst = 100, 20
	for i := range f.passed {
		for j := i + 2*burst; j < len(f.passed); j++ {
			t := f.passed[j].Sub(f.passed[i])
			if n := j - i + 1; float64(n) > rate*(t+2*time.Second).Seconds()+2*burst {
				f.t.Errorf("%s: %d pass in %s", what, n, t)
				return
			}
		}
	}
}

// However the load lies, the gateways together let through what the limit says, and not less.
func TestShared(t *testing.T) {
	for what, who := range map[string]func(at time.Duration) int{ // the gateway that is asked next
		"one gateway":    func(time.Duration) int { return 0 },
		"all alike":      func(time.Duration) int { return rand.IntN(3) },
		"most to one":    func(time.Duration) int { return max(0, rand.IntN(12)-9) },
		"one by one":     func(at time.Duration) int { return int(at/time.Second) % 3 },
		"in quick turns": func(at time.Duration) int { return int(at/(100*time.Millisecond)) % 3 },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &slow{}
				f := newFleet(t, store, 3, nil)
				before := store.calls.Load()
				for at := time.Duration(0); at < 8*time.Second; at += 4 * time.Millisecond { // two and a half times the limit
					f.ask(who(at))
					time.Sleep(4 * time.Millisecond)
				}
				n := f.end()
				f.most(what)
				t.Logf("%d pass in 8 s, of 800", n)
				if n < 740 || n > 800+2*20+20 {
					t.Errorf("%d pass in 8 s, of 800", n)
				}
				if calls := store.calls.Load() - before; calls > 8*3*100 {
					t.Errorf("the store is asked %d times for %d requests", calls, 2000)
				}
			})
		})
	}
}

// A burst is a burst also where it comes to one gateway.
func TestSharedBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFleet(t, &slow{}, 3, nil)
		for range 30 {
			f.ask(1)
		}
		if n := f.end(); n < 20 || n > 22 {
			t.Errorf("%d of a burst of 30 pass, where 20 may", n)
		}
	})
}

// Pulses and rests, now here, now there, are where parts and leases could add up.
func TestSharedPulses(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 1))
			f := newFleet(t, &slow{}, 3, nil)
			began := time.Now()
			for time.Since(began) < 10*time.Second {
				gateway := random.IntN(4)
				for range random.IntN(60) {
					f.ask(gateway % 3)
					if gateway == 3 {
						f.ask(1)
						f.ask(2)
					}
				}
				time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
			}
			n := f.end()
			f.most(fmt.Sprint("seed ", seed))
			if n > 1000+2*20+200 {
				t.Errorf("seed %d: %d pass in 10 s", seed, n)
			}
		})
	}
}

// Without the store each keeps to its part; back again, the parts are lent again.
func TestSharedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{}
		var log bytes.Buffer
		f := newFleet(t, store, 3, &log)
		load := func(d time.Duration, who func() int) int {
			f.all.Wait()
			before := len(f.passed)
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(4 * time.Millisecond) {
				f.ask(who())
			}
			f.all.Wait()
			return len(f.passed) - before
		}
		first := func() int { return 0 }
		if n := load(10*time.Second, first); n < 950 {
			t.Errorf("with the store %d pass", n)
		}
		store.Fail(errors.New("away"))
		load(2*time.Second, first)
		if n := load(9*time.Second, first); n < 290 || n > 320 {
			t.Errorf("without the store one gateway lets %d pass in 9 s, want a third of 900", n)
		}
		if n := load(10*time.Second, func() int { return rand.IntN(3) }); n > 1000+40+20 {
			t.Errorf("without the store all let %d pass in 10 s", n)
		}
		store.Fail(nil)
		load(2*time.Second, first)
		if n := load(10*time.Second, first); n < 950 || n > 1000+40 {
			t.Errorf("with the store again %d pass", n)
		}
		f.end()
		f.most("away and back")
		text := log.String()
		if strings.Count(text, "is away") != 3 || strings.Count(text, "answers again") != 3 {
			t.Errorf("the log says %s", text)
		}
	})
}

// A gateway that never saw the store takes itself for one of so many as it is told.
func TestSharedNeverThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{}
		store.Fail(errors.New("away"))
		f := newFleet(t, store, 1, nil)
		for range 2500 {
			f.ask(0)
			time.Sleep(4 * time.Millisecond)
		}
		if n := f.end(); n < 480 || n > 520 {
			t.Errorf("%d pass in 10 s, want half of 1000", n)
		}
	})
}

// Who ends is counted no more, at once; who dies, after five seconds.
func TestSharedByFewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{}
		f := newFleet(t, store, 3, nil)
		e := env()
		e.Store = store
		fourth := build(t, e, `{"rate":"100/s","shared":{}}`)
		known := func(want float64, within time.Duration) {
			t.Helper()
			time.Sleep(within)
			if n := counted(t, e, "muster_edge_limit_gateways"); n != want {
				t.Errorf("it knows of %v gateways, want %v", n, want)
			}
		}
		known(4, time.Second)
		if counted(t, e, "muster_edge_limit_store_up") != 1 {
			t.Error("the store is not up")
		}
		f.end()
		known(1, time.Second)
		_ = fourth.(filter.Closer).Close()
	})
}

func now() *filter.Request {
	r := from("192.0.2.1", 0)
	r.Began = time.Now()
	return r
}

func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not come to that")
		}
	}
}
