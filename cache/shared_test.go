package cache_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
)

// twoLevels returns caches that share, as processes do, and the number of their loads.
func twoLevels(t *testing.T, n int, shared cache.Shared, change func(*cache.Config[string])) ([]*cache.Cache[string], *atomic.Int64) {
	t.Helper()
	loads := &atomic.Int64{}
	cfg := cache.Config[string]{
		Name: "test", Shared: shared, TTL: 10 * time.Second, Jitter: -1, Early: -1, Near: time.Second,
		Load: cache.One(func(_ context.Context, key string) (string, bool, error) {
			n := loads.Add(1)
			return fmt.Sprintf("%s#%d", key, n), key != "none", nil
		}),
	}
	if change != nil {
		change(&cfg)
	}
	all := make([]*cache.Cache[string], n)
	for i := range all {
		c, err := cache.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		all[i] = c
	}
	return all, loads
}

func want(t *testing.T, c *cache.Cache[string], key, want string) {
	t.Helper()
	v, found, err := c.Get(t.Context(), key)
	if !found && v == "" {
		v = "-"
	}
	if err != nil || v != want {
		t.Errorf("%s is %q, %v; want %q", key, v, err, want)
	}
}

func TestASharedValueGrowsNoOlderThanItsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := twoLevels(t, 2, &cachetest.Memory{}, nil)
		want(t, c[0], "a", "a#1")
		time.Sleep(9500 * time.Millisecond)
		want(t, c[1], "a", "a#1") // with half a second left, not Near
		time.Sleep(499 * time.Millisecond)
		want(t, c[1], "a", "a#1")
		time.Sleep(time.Millisecond)
		want(t, c[1], "a", "a#2")
		want(t, c[0], "a", "a#2")
	})
}

// late is a Shared that holds what has expired two seconds longer, as it may.
type late struct{ *cachetest.Memory }

func (l late) Set(ctx context.Context, changes []cache.Change) ([]bool, error) {
	for i := range changes {
		changes[i].TTL += 2 * time.Second
	}
	return l.Memory.Set(ctx, changes)
}

func TestWhatExpiredInSharedIsLoadedByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, loads := twoLevels(t, 5, late{&cachetest.Memory{}}, nil)
		want(t, c[0], "a", "a#1")
		time.Sleep(10 * time.Second)
		for _, c := range c {
			want(t, c, "a", "a#2")
		}
		if loads.Load() != 2 {
			t.Errorf("there were %d loads", loads.Load())
		}
	})
}

func TestSharedKnowsWhatDoesNotExist(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := &cachetest.Memory{}
		c, loads := twoLevels(t, 2, shared, func(cfg *cache.Config[string]) { cfg.Negative = 5 * time.Second })
		want(t, c[0], "none", "-")
		want(t, c[1], "none", "-")
		if loads.Load() != 1 {
			t.Errorf("there were %d loads", loads.Load())
		}
		time.Sleep(5 * time.Second)
		want(t, c[1], "none", "-")
		if loads.Load() != 2 {
			t.Errorf("there were %d loads after 5 s", loads.Load())
		}
		c, _ = twoLevels(t, 1, shared, func(cfg *cache.Config[string]) { cfg.Name = "other" })
		want(t, c[0], "none", "-")
		synctest.Wait()
		if keys := fmt.Sprint(shared.Keys()); keys != "[test:none]" {
			t.Errorf("without Negative there is still %s", keys)
		}
	})
}

// Of many processes that use a value one refreshes it, ahead of its end, and nobody
// waits.
func TestEarlyRefreshOverProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var loads atomic.Int64
		c, _ := twoLevels(t, 10, &cachetest.Memory{}, func(cfg *cache.Config[string]) {
			cfg.Early, cfg.Near = 1, 20*time.Millisecond
			cfg.Load = func(context.Context, []string) (map[string]string, error) {
				loads.Add(1)
				time.Sleep(100 * time.Millisecond)
				return map[string]string{"a": "x"}, nil
			}
		})
		want(t, c[0], "a", "x")
		synctest.Wait() // the answer does not wait for the shared cache
		var longest time.Duration
		for range 10_000 {
			for _, c := range c {
				began := time.Now()
				want(t, c, "a", "x")
				longest = max(longest, time.Since(began))
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := loads.Load(); longest > 0 || n < 10 || n > 13 {
			t.Errorf("in 100 s ten processes made %d loads, and somebody waited %s", n, longest)
		}
	})
}

func TestWhatCannotBeSharedIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, change := range map[string]func(*cache.Config[string]){
			"too large": func(cfg *cache.Config[string]) {
				cfg.Load = func(context.Context, []string) (map[string]string, error) {
					return map[string]string{"a": strings.Repeat("x", cache.MaxShared)}, nil
				}
			},
			"cannot be written": func(cfg *cache.Config[string]) {
				cfg.Encode = func(string) ([]byte, error) { return nil, errors.New("no") }
				cfg.Decode = func([]byte) (string, error) { return "", errors.New("no") }
			},
			"fails": func(cfg *cache.Config[string]) {
				cfg.Load = func(context.Context, []string) (map[string]string, error) { return nil, errors.New("no") }
			},
			"panics": func(cfg *cache.Config[string]) {
				cfg.Load = func(context.Context, []string) (map[string]string, error) { panic("no") }
			},
		} {
			shared := &cachetest.Memory{}
			c, _ := twoLevels(t, 2, shared, change)
			for _, c := range c {
				began := time.Now()
				v, _, err := c.Get(t.Context(), "a")
				if (v == "") != (err != nil) || time.Since(began) > 0 {
					t.Errorf("%s: %.10q, %v, after %s", name, v, err, time.Since(began))
				}
				synctest.Wait()
			}
			if keys := shared.Keys(); len(keys) != 0 { // no lease that others would wait for
				t.Errorf("%s: %s is left", name, keys)
			}
		}
	})
}

func TestWhatIsNotOursInSharedIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, raw := range []string{"x", "V", "V12345678", "V\x00\x7f\xff\xff\xff\xff\xff\xff12345678{", "\x00\x00"} {
			shared := &cachetest.Memory{}
			if _, err := shared.Set(t.Context(), []cache.Change{{Key: "test:a", New: []byte(raw), TTL: time.Hour}}); err != nil {
				t.Fatal(err)
			}
			c, _ := twoLevels(t, 2, shared, nil)
			want(t, c[0], "a", "a#1")
			synctest.Wait()
			want(t, c[1], "a", "a#1")
		}
	})
}

func TestMessagesAreSharedInTheirOwnForm(t *testing.T) {
	shared := &cachetest.Memory{}
	cfg := cache.Config[*durationpb.Duration]{Name: "x", Shared: shared, Load: func(context.Context, []string) (map[string]*durationpb.Duration, error) {
		return map[string]*durationpb.Duration{"a": durationpb.New(time.Minute)}, nil
	}}
	for range 2 {
		c, err := cache.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		d, found, err := c.Get(t.Context(), "a")
		if err != nil || !found || d.AsDuration() != time.Minute {
			t.Errorf("%v, %v, %v", d, found, err)
		}
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); { // the answer does not wait for the shared cache
			held, err := shared.Get(t.Context(), []string{"x:a"})
			if err != nil || len(held["x:a"]) > 0 && held["x:a"][0] == 'V' {
				break
			}
		}
		cfg.Load = func(context.Context, []string) (map[string]*durationpb.Duration, error) {
			return nil, errors.New("not shared")
		}
	}
}
