package cachetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/cache"
)

// source is where values come from: it counts its loads, and may be held up.
type source struct {
	version atomic.Int64
	loads   atomic.Int64
	began   chan struct{} // one for each load that began
	hold    chan struct{} // a load waits until it is closed; nil: it does not
	takes   time.Duration
}

func (s *source) load(ctx context.Context, keys []string) (map[string]string, error) {
	s.loads.Add(1)
	values := map[string]string{}
	for _, k := range keys {
		values[k] = fmt.Sprintf("%s v%d", k, s.version.Load())
	}
	if s.began != nil {
		s.began <- struct{}{}
	}
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if s.takes > 0 {
		timer := time.NewTimer(s.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return values, nil
}

// process returns a cache with two levels, as a process of its own has it.
func process(t *testing.T, target Target, change func(*cache.Config[string]), load cache.Load[string]) *cache.Cache[string] {
	t.Helper()
	cfg := cache.Config[string]{Name: t.Name(), Load: load, TTL: time.Minute, Early: -1, Shared: target.Open(t)}
	if change != nil {
		change(&cfg)
	}
	c, err := cache.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func value(t *testing.T, c *cache.Cache[string], key string) string {
	t.Helper()
	v, _, err := c.Get(t.Context(), key)
	if err != nil {
		t.Errorf("%s: %v", key, err)
	}
	return v
}

// Processes that miss a key at the same moment make one load together.
func stampede(t *testing.T, target Target) {
	src := &source{takes: 50 * time.Millisecond}
	processes := make([]*cache.Cache[string], 6)
	for i := range processes {
		processes[i] = process(t, target, nil, src.load)
	}
	for round := range 5 {
		k := fmt.Sprint("k", round)
		src.loads.Store(0)
		var all sync.WaitGroup
		for _, c := range processes {
			for range 10 {
				all.Go(func() {
					if got := value(t, c, k); got != k+" v0" {
						t.Errorf("got %q", got)
					}
				})
			}
		}
		all.Wait()
		if n := src.loads.Load(); n != 1 {
			t.Errorf("round %d: %d processes with 10 look-ups each made %d loads", round, len(processes), n)
		}
	}
}

// What was read before a change is not stored after it.
func dropped(t *testing.T, target Target) {
	src := &source{began: make(chan struct{}, 10), hold: make(chan struct{})}
	a := process(t, target, nil, src.load)
	b := process(t, target, nil, src.load)
	old := make(chan string, 1)
	go func() { v, _, _ := a.Get(context.WithoutCancel(t.Context()), "k"); old <- v }()
	<-src.began
	src.version.Add(1)
	if err := b.Drop(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	close(src.hold)
	if got := <-old; got != "k v0" {
		t.Errorf("who asked before the change got %q", got)
	}
	c := process(t, target, nil, src.load)
	if got := value(t, c, "k"); got != "k v1" {
		t.Errorf("another process got %q after the drop", got)
	}
}

// A drop in one process reaches the others within Near.
func followed(t *testing.T, target Target) {
	src := &source{}
	near := func(cfg *cache.Config[string]) { cfg.Near = 100 * time.Millisecond }
	a, b := process(t, target, near, src.load), process(t, target, near, src.load)
	if value(t, a, "k") != "k v0" {
		t.Error("a has no value")
	}
	soon(t, "b has it without another load", func() bool { return value(t, b, "k") == "k v0" && b.Stats().SharedHits > 0 })
	if n := src.loads.Load(); n > 2 {
		t.Errorf("there were %d loads", n)
	}
	src.version.Add(1)
	if err := a.Drop(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := value(t, a, "k"); got != "k v1" {
		t.Errorf("who dropped has %q", got)
	}
	soon(t, "the other follows", func() bool { return value(t, b, "k") == "k v1" })
}

// Where the process that loads dies, another does.
func died(t *testing.T, target Target) {
	short := func(cfg *cache.Config[string]) { cfg.Timeout = 6 * time.Second }
	lost := &source{began: make(chan struct{}, 1), hold: make(chan struct{})}
	gone := process(t, target, func(cfg *cache.Config[string]) {
		short(cfg)
		cfg.Shared = deaf{cfg.Shared} // whoever was killed takes nothing back
	}, lost.load)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { _, _, _ = gone.Get(ctx, "k") }()
	<-lost.began
	cancel()
	src := &source{}
	began := time.Now()
	if got := value(t, process(t, target, short, src.load), "k"); got != "k v0" || src.loads.Load() != 1 {
		t.Errorf("the next one got %q after %d loads", got, src.loads.Load())
	}
	if took := time.Since(began); took < 500*time.Millisecond {
		t.Errorf("it waited %s, less than the lease", took)
	}
}

// deaf is a Shared that a dead process has: it changes nothing but what it got first.
type deaf struct{ cache.Shared }

// Delete does nothing.
func (deaf) Delete(context.Context, []string) error { return errors.New("dead") }

// A shared cache that is away costs time, never the answer, and is used again when it
// is back.
func away(t *testing.T, target Target) {
	src := &source{}
	a := process(t, target, nil, src.load)
	if value(t, a, "k") != "k v0" {
		t.Error("there is no value to begin with")
	}
	target.Stop(t)
	began := time.Now()
	for i := range 20 {
		if k := fmt.Sprint("away", i); value(t, a, k) != k+" v0" {
			t.Error("there is no value while it is away")
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("20 look-ups took %s while it was away", took)
	}
	if err := a.Drop(t.Context(), "k"); err == nil {
		t.Error("Drop does not say that the shared cache could not be told")
	}
	if a.Stats().SharedErrors == 0 {
		t.Error("no error was counted")
	}
	target.Start(t)
	other := process(t, target, nil, func(context.Context, []string) (map[string]string, error) {
		return nil, errors.New("not in the shared cache")
	})
	n := 0
	soon(t, "another process gets what this one loads", func() bool {
		n++
		k := fmt.Sprint("back", n)
		value(t, a, k)
		_, found, err := other.Get(t.Context(), k)
		return err == nil && found
	})
	if err := a.Drop(t.Context(), "k"); err != nil {
		t.Errorf("Drop when it is back: %v", err)
	}
}
