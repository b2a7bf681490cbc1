package cache

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAValueIsLoadedOnceInItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := made(t, Config[string]{Load: src.load, TTL: time.Minute, Jitter: 0.5, Early: -1, Negative: time.Second, random: func() float64 { return 0.5 }})
		want(t, c, "a", "a#1")
		time.Sleep(45*time.Second - 1) // a minute less a quarter
		want(t, c, "a", "a#1")
		time.Sleep(time.Nanosecond)
		want(t, c, "a", "a#2")
		want(t, c, "none", "-")
		want(t, c, "none", "-")
		time.Sleep(time.Second)
		want(t, c, "none", "-")
		if s := c.Stats(); s.Hits != 2 || s.Misses != 4 || s.Loads != 4 || s.Entries != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func TestNothingIsKeptWithANegativeTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Second}
		c := made(t, Config[string]{Load: src.load, TTL: -1, Negative: time.Hour})
		var all sync.WaitGroup
		for range 10 {
			all.Go(func() { want(t, c, "a", "a#1") })
		}
		all.Wait()
		want(t, c, "a", "a#2")
		want(t, c, "no", "-")
		if s := c.Stats(); s.Entries != 0 || s.Loads != 3 || s.Coalesced != 9 {
			t.Errorf("%+v", s)
		}
	})
}

// A value that is used is loaded anew before its end while everybody has the old one,
// earlier the longer a load takes.
func TestEarlyRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 100 * time.Millisecond}
		c := made(t, Config[string]{Load: src.load, TTL: 10 * time.Second, Jitter: -1})
		want(t, c, "a", "a#1")
		longest := time.Duration(0)
		for range 100_000 { // a thousand in a second
			began := time.Now()
			if _, _, err := c.Get(t.Context(), "a"); err != nil {
				t.Fatal(err)
			}
			longest = max(longest, time.Since(began))
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		n := src.loads.Load()
		if longest > 0 || n < 10 || n > 14 {
			t.Errorf("in 100 s there were %d loads, and somebody waited %s", n, longest)
		}
		if s := c.Stats(); s.Early != uint64(n-1) {
			t.Errorf("%+v", s)
		}
	})
}

// An early refresh that fails is not tried again by each look-up.
func TestEarlyRefreshThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: 100 * time.Millisecond}
		c := made(t, Config[string]{Load: src.load, TTL: 3 * time.Second, Jitter: -1, Early: 10})
		want(t, c, "a", "a#1")
		src.takes = 0
		src.fail(errors.New("down"))
		for range 2999 {
			want(t, c, "a", "a#1")
			time.Sleep(time.Millisecond)
		}
		if n := src.loads.Load(); n < 3 || n > 4 {
			t.Errorf("there were %d loads in 3 s", n)
		}
	})
}

// The share of look-ups that refresh, with a given time left, is that of the paper:
// e^(-left/(beta*cost)).
func TestXFetch(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		left time.Duration
		beta float64
		want float64
	}{
		{time.Second, 1, 0.3679}, {2 * time.Second, 1, 0.1353}, {2 * time.Second, 2, 0.3679}, {0, 1, 1}, {-1, 1, 1}, {time.Second, 0, 0}, {38 * time.Second, 1, 0},
	} {
		n := 0
		for range 100_000 {
			if early(c.left, time.Second, c.beta, random.Float64) {
				n++
			}
		}
		if got := float64(n) / 100_000; got < c.want-0.01 || got > c.want+0.01 {
			t.Errorf("with %s left and beta %g: %.4f, want %.4f", c.left, c.beta, got, c.want)
		}
	}
}

func TestStaleIfError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{}
		c := made(t, Config[string]{Load: src.load, TTL: 10 * time.Second, Jitter: -1, Early: -1, Stale: time.Minute})
		want(t, c, "a", "a#1")
		down := errors.New("down")
		src.fail(down)
		time.Sleep(10 * time.Second)
		for range 100 { // of which one tries
			item, err := c.Look(t.Context(), "a")
			if err != nil || item.Value != "a#1" || !item.Stale || !item.Found {
				t.Fatalf("%+v, %v", item, err)
			}
		}
		if s := c.Stats(); s.Loads != 2 || s.Errors != 1 || s.Stale != 100 {
			t.Errorf("%+v", s)
		}
		time.Sleep(holdOff)
		want(t, c, "a", "a#1")
		if n := src.loads.Load(); n != 3 {
			t.Errorf("there were %d loads", n)
		}
		if _, _, err := c.Get(t.Context(), "b"); !errors.Is(err, down) {
			t.Errorf("a key nobody loaded: %v", err)
		}
		src.fail(nil)
		time.Sleep(holdOff)
		item, err := c.Look(t.Context(), "a")
		if err != nil || item.Value != "a#5" || item.Stale {
			t.Errorf("back again: %+v, %v", item, err)
		}
		src.fail(down)
		time.Sleep(70 * time.Second)
		if _, _, err := c.Get(t.Context(), "a"); !errors.Is(err, down) {
			t.Errorf("after TTL and Stale: %v", err)
		}
	})
}
