package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/problem"
)

// source counts loads and answers with how many there were. Keys that begin with "no"
// do not exist.
type source struct {
	loads atomic.Int64
	keys  atomic.Int64
	takes time.Duration
	err   atomic.Pointer[error]
	ended atomic.Int64 // loads whose context ended
}

func (s *source) load(ctx context.Context, keys []string) (map[string]string, error) {
	n := s.loads.Add(1)
	s.keys.Add(int64(len(keys)))
	if s.takes > 0 {
		timer := time.NewTimer(s.takes)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			s.ended.Add(1)
			return nil, ctx.Err()
		}
	}
	if err := s.err.Load(); err != nil {
		return nil, *err
	}
	values := map[string]string{}
	for _, k := range keys {
		if !strings.HasPrefix(k, "no") {
			values[k] = fmt.Sprintf("%s#%d", k, n)
		}
	}
	return values, nil
}

func (s *source) fail(err error) {
	if err == nil {
		s.err.Store(nil)
		return
	}
	s.err.Store(&err)
}

func made(t *testing.T, cfg Config[string]) *Cache[string] {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// want asks for a key; "-" stands for none.
func want(t *testing.T, c *Cache[string], key, want string) {
	t.Helper()
	v, found, err := c.Get(t.Context(), key)
	if !found && v == "" {
		v = "-"
	}
	if err != nil || v != want {
		t.Errorf("%s is %q, %v; want %q", key, v, err, want)
	}
}

func TestConfigIsChecked(t *testing.T) {
	load := (&source{}).load
	for name, cfg := range map[string]Config[string]{
		"no Load":        {},
		"Jitter":         {Load: load, Jitter: 2},
		"negative Stale": {Load: load, Stale: -1},
		"negative Bytes": {Load: load, Bytes: -1},
		"no Name":        {Load: load, Shared: deadShared{}},
		"TTL":            {Name: "x", Load: load, Shared: deadShared{}, TTL: -1},
		"one of two":     {Load: load, Encode: encode[string]},
	} {
		if _, err := New(cfg); problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(Config[int]{Load: One(func(context.Context, string) (int, bool, error) { return 0, false, nil }), Bytes: 1}); err == nil {
		t.Error("Bytes without Size is taken")
	}
}

type deadShared struct{ Shared }

func TestLookUpsOfOneKeyMakeOneLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Second}
		c := made(t, Config[string]{Load: src.load})
		var all sync.WaitGroup
		for i := range 100 {
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				want(t, c, "a", "a#1")
			})
		}
		all.Go(func() { // many keys join what is on its way, and go together for the rest
			time.Sleep(time.Millisecond)
			got, err := c.GetMany(t.Context(), []string{"b", "a", "c", "b", "none"})
			if err != nil || fmt.Sprint(got) != "map[a:a#1 b:b#2 c:c#2]" {
				t.Errorf("%v, %v", got, err)
			}
		})
		all.Wait()
		if src.loads.Load() != 2 || src.keys.Load() != 4 {
			t.Errorf("%d loads of %d keys", src.loads.Load(), src.keys.Load())
		}
	})
}

func TestWhoLeavesDoesNotEndALoadForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Second}
		c := made(t, Config[string]{Load: src.load})
		left := errors.New("left")
		leave := func(after time.Duration) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			time.AfterFunc(after, func() { cancel(left) })
			began := time.Now()
			if _, _, err := c.Get(ctx, "a"); !errors.Is(err, left) || time.Since(began) != after {
				t.Errorf("after %s: %v", time.Since(began), err)
			}
		}
		go leave(100 * time.Millisecond)
		synctest.Wait()
		want(t, c, "a", "a#1")
		if src.ended.Load() != 0 {
			t.Error("the load was ended")
		}
		if err := c.Drop(t.Context(), "a"); err != nil {
			t.Fatal(err)
		}
		leave(100 * time.Millisecond) // nobody else waits
		synctest.Wait()
		if src.ended.Load() != 1 {
			t.Error("the load goes on though nobody waits")
		}
		want(t, c, "a", "a#3") // one that was ended is not joined
		if c.Stats().Entries != 1 || len(c.flights) != 0 {
			t.Errorf("%+v, %d flights", c.Stats(), len(c.flights))
		}
	})
}

func TestALoadIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Hour}
		c := made(t, Config[string]{Load: src.load, Timeout: time.Second})
		began := time.Now()
		_, _, err := c.Get(t.Context(), "a")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v", time.Since(began), err)
		}
	})
}

func TestAPanicIsAnError(t *testing.T) {
	c := made(t, Config[string]{Name: "x", Load: func(context.Context, []string) (map[string]string, error) { panic("no") }})
	_, _, err := c.Get(t.Context(), "a")
	if problem.CodeOf(err) != problem.Internal || !strings.Contains(err.Error(), `cache "x"`) {
		t.Error(err)
	}
	if c.Stats().Errors != 1 || len(c.flights) != 0 {
		t.Errorf("%+v", c.Stats())
	}
}

func TestDrop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &source{takes: time.Second}
		c := made(t, Config[string]{Load: src.load})
		want(t, c, "a", "a#1")
		handle := OnEvent(c, bus.Topic[[]string]{Name: "shop.changed"}, func(keys []string) []string { return keys })
		drop := func(keys string) {
			if err := handle(t.Context(), bus.Delivery{Msg: bus.Msg{Topic: "shop.changed", Data: []byte(keys)}}); err != nil {
				t.Error(err)
			}
		}
		drop(`["a","x"]`)
		before := make(chan struct{})
		go func() {
			want(t, c, "a", "a#2")
			close(before)
		}()
		time.Sleep(500 * time.Millisecond)
		drop(`["a"]`) // while it is loaded
		want(t, c, "a", "a#3")
		<-before
		want(t, c, "a", "a#3")
		c.Clear()
		go want(t, c, "a", "a#4")
		time.Sleep(500 * time.Millisecond)
		drop(`["a"]`)
		time.Sleep(time.Second)
		want(t, c, "a", "a#5") // what arrived after the drop was not kept
		drop(`[]`)
		if err := handle(t.Context(), bus.Delivery{Msg: bus.Msg{Topic: "shop.changed", Data: []byte(`{`)}}); !bus.IsFinal(err) {
			t.Errorf("nonsense: %v", err)
		}
	})
}

// Look-ups, drops, failures and ends of contexts all at once: nobody hangs, nobody gets
// the value of another key or one from before a drop that had returned.
func TestAllAtOnce(t *testing.T) {
	var version [8]atomic.Int64
	load := func(_ context.Context, keys []string) (map[string]string, error) {
		values := map[string]string{}
		for _, k := range keys {
			values[k] = fmt.Sprintf("%s %d", k, version[k[0]-'a'].Load())
		}
		if rand.N(10) == 0 {
			return nil, errors.New("by chance")
		}
		return values, nil
	}
	c := made(t, Config[string]{Load: load, TTL: 50 * time.Microsecond, Entries: 5})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 2000 {
				n := rand.N(8)
				key := string(rune('a' + n))
				if rand.N(5) == 0 {
					version[n].Add(1)
					_ = c.Drop(t.Context(), key)
				}
				least := version[n].Load()
				if rand.N(2) == 0 {
					_ = c.Drop(t.Context(), key)
				} else {
					least = 0
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(rand.N(200))*time.Microsecond)
				v, found, err := c.Get(ctx, key)
				cancel()
				if err != nil {
					continue
				}
				var got int64
				if _, err := fmt.Sscanf(v, key+" %d", &got); err != nil || !found || got < least {
					t.Errorf("%s is %q, want version %d or later", key, v, least)
				}
			}
		})
	}
	all.Wait()
	c.mu.RLock()
	defer c.mu.RUnlock()
	if len(c.flights) != 0 || len(c.store.entries) > 5 {
		t.Errorf("%d flights, %d entries", len(c.flights), len(c.store.entries))
	}
}

func BenchmarkHit(b *testing.B) {
	c, err := New(Config[string]{Load: (&source{}).load})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Get(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMiss(b *testing.B) {
	c, err := New(Config[string]{TTL: -1, Load: (&source{}).load})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.Get(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}
