package cache_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
)

// counted is a Load that takes 5 ms and counts.
func counted(loads *atomic.Int64) cache.Load[string] {
	return func(_ context.Context, keys []string) (map[string]string, error) {
		loads.Add(1)
		time.Sleep(5 * time.Millisecond) // what it takes, of the bubble where there is one
		values := map[string]string{}
		for _, k := range keys {
			values[k] = "v"
		}
		return values, nil
	}
}

// storm looks one key up from so many goroutines at the same time.
func storm(tb testing.TB, caches []*cache.Cache[string], callers int) {
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			if _, found, err := caches[i%len(caches)].Get(tb.Context(), "hot"); err != nil || !found {
				tb.Error(found, err)
			}
		})
	}
	all.Wait()
}

// A thousand that miss one key at the same moment make one load, in one process and in
// ten that share a cache.
func TestAThousandMissesAreOneLoad(t *testing.T) {
	for _, processes := range []int{1, 10} {
		t.Run(fmt.Sprint(processes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var loads atomic.Int64
				var caches []*cache.Cache[string]
				cfg := cache.Config[string]{Name: "x", Load: counted(&loads)}
				if processes > 1 {
					cfg.Shared = &cachetest.Memory{}
				}
				for range processes {
					c, err := cache.New(cfg)
					if err != nil {
						t.Fatal(err)
					}
					caches = append(caches, c)
				}
				storm(t, caches, 1000)
				synctest.Wait()
				if n := loads.Load(); n != 1 {
					t.Errorf("%d loads", n)
				}
			})
		})
	}
}

// BenchmarkStampede is the time of a thousand look-ups of a key that has just gone, of
// which one loads for 5 ms.
func BenchmarkStampede(b *testing.B) {
	var loads atomic.Int64
	c, err := cache.New(cache.Config[string]{Load: counted(&loads)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if err := c.Drop(b.Context(), "hot"); err != nil {
			b.Fatal(err)
		}
		storm(b, []*cache.Cache[string]{c}, 1000)
	}
	b.ReportMetric(float64(loads.Load())/float64(b.N), "loads/op")
}

// BenchmarkPage is the time of a page that looks ten keys up at a service 5 ms away, each
// from its own place in the code: one by one, and by a Batch.
func BenchmarkPage(b *testing.B) {
	var loads atomic.Int64
	load := counted(&loads)
	look := map[string]func(context.Context, string) error{
		"each": func(ctx context.Context, key string) error { _, err := load(ctx, []string{key}); return err },
	}
	together := &cache.Batch[string]{Load: load}
	look["batch"] = func(ctx context.Context, key string) error { _, _, err := together.Get(ctx, key); return err }
	for _, how := range []string{"each", "batch"} {
		b.Run(how, func(b *testing.B) {
			loads.Store(0)
			for b.Loop() {
				var all sync.WaitGroup
				for i := range 10 {
					all.Go(func() {
						if err := look[how](b.Context(), fmt.Sprint(i)); err != nil {
							b.Error(err)
						}
					})
				}
				all.Wait()
			}
			b.ReportMetric(float64(loads.Load())/float64(b.N), "calls/op")
		})
	}
}

// BenchmarkHits is how long one of many look-ups at the same time takes that all find
// their value in memory.
func BenchmarkHits(b *testing.B) {
	var loads atomic.Int64
	c, err := cache.New(cache.Config[string]{Load: counted(&loads)})
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, _, err := c.Get(b.Context(), "hot"); err != nil {
				b.Error(err)
			}
		}
	})
}
