package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// sent records the loads of a Batch.
type sent struct {
	mu    sync.Mutex
	loads [][]string
	at    []time.Duration
	began time.Time
	takes time.Duration
	err   error
	ended int
}

func (s *sent) load(ctx context.Context, keys []string) (map[string]int, error) {
	s.mu.Lock()
	s.loads = append(s.loads, slices.Sorted(slices.Values(keys)))
	s.at = append(s.at, time.Since(s.began))
	s.mu.Unlock()
	timer := time.NewTimer(s.takes)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ended++
		return nil, ctx.Err()
	}
	values := map[string]int{}
	for _, k := range keys {
		if k != "none" {
			values[k] = len(k)
		}
	}
	return values, s.err
}

func TestLookUpsThatComeTogetherGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{takes: 10 * time.Millisecond, began: time.Now()}
		b := &Batch[int]{Load: s.load, Most: 3, Wait: 4 * time.Millisecond}
		var all sync.WaitGroup
		ask := func(after time.Duration, key string) {
			all.Go(func() {
				time.Sleep(after)
				v, found, err := b.Get(t.Context(), key)
				if err != nil || found != (key != "none") || found && v != len(key) {
					t.Errorf("%s is %d, %v, %v", key, v, found, err)
				}
			})
		}
		ask(0, "a")                   // alone: at once
		ask(1*time.Millisecond, "bb") // waits for others, 4 ms
		ask(2*time.Millisecond, "bb") // is asked for once
		ask(3*time.Millisecond, "none")
		ask(6*time.Millisecond, "d")  // the next
		ask(7*time.Millisecond, "e")  //
		ask(8*time.Millisecond, "f")  // three are enough
		ask(18*time.Millisecond, "g") // alone again
		all.Wait()
		want := "[[a] [bb none] [d e f] [g]] [0s 5ms 8ms 18ms]"
		if got := fmt.Sprint(s.loads, s.at); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

func TestBatchOfMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{takes: time.Millisecond}
		b := &Batch[int]{Load: s.load}
		keys := make([]string, 250)
		for i := range keys {
			keys[i] = fmt.Sprintf("%03d", i)
		}
		got, err := b.GetMany(t.Context(), slices.Concat(keys, []string{"none", "001"}))
		if err != nil || len(got) != 250 || len(s.loads) != 3 {
			t.Errorf("%d values in %d loads, %v", len(got), len(s.loads), err)
		}
		if got, err := b.GetMany(t.Context(), nil); err != nil || len(got) != 0 || len(s.loads) != 3 {
			t.Errorf("of no keys: %v, %v", got, err)
		}
	})
}

func TestBatchFailsForThoseThatWentTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{err: errors.New("down")}
		b := &Batch[int]{Load: s.load}
		if _, _, err := b.Get(t.Context(), "a"); !errors.Is(err, s.err) {
			t.Error(err)
		}
		s.err = nil
		if v, found, err := b.Get(t.Context(), "a"); err != nil || !found || v != 1 {
			t.Error(v, found, err)
		}
		b.Load = func(context.Context, []string) (map[string]int, error) { panic("no") }
		if _, _, err := b.Get(t.Context(), "a"); err == nil {
			t.Error("a panic is no error")
		}
	})
}

func TestWhoLeavesABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sent{takes: 100 * time.Millisecond}
		b := &Batch[int]{Load: s.load, Wait: time.Second}
		leave := func(key string) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, _, err := b.Get(ctx, key); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
		leave("a") // alone: its load is ended
		synctest.Wait()
		if s.ended != 1 {
			t.Errorf("%d loads were ended, want 1", s.ended)
		}
		go func() { _, _, _ = b.Get(t.Context(), "b") }()
		synctest.Wait()
		leave("c") // before it was sent: it never is
		go leave("d")
		synctest.Wait()
		if v, found, err := b.Get(t.Context(), "e"); err != nil || !found || v != 1 {
			t.Error(v, found, err)
		}
		if got := fmt.Sprint(s.loads); got != "[[a] [b] [d e]]" || s.ended != 1 {
			t.Errorf("%s was sent, and %d ended", got, s.ended)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := b.Get(ctx, "f"); !errors.Is(err, context.Canceled) || len(s.loads) != 3 {
			t.Errorf("who had left before: %v", err)
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	batch := &Batch[int]{Load: func(_ context.Context, keys []string) (map[string]int, error) {
		return map[string]int{keys[0]: 1}, nil
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := batch.Get(b.Context(), "a"); err != nil {
			b.Fatal(err)
		}
	}
}
