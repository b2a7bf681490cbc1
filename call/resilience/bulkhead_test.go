package resilience_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

func TestABulkheadIsFull(t *testing.T) {
	b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 2})
	ctx := t.Context()
	for range 2 {
		if err := b.Acquire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Acquire(ctx); !errors.Is(err, resilience.ErrFull) {
		t.Fatalf("the third of two: %v, want ErrFull", err)
	}
	b.Release()
	if err := b.Acquire(ctx); err != nil {
		t.Fatalf("after a release: %v", err)
	}
	if s := b.Stats(); s.InFlight != 2 || s.Full != 1 || s.Max != 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestWaitersAreServedInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 1, Queue: 5})
		if err := b.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []int
		for i := range 5 {
			go func() {
				if b.Acquire(t.Context()) == nil {
					mu.Lock()
					order = append(order, i)
					mu.Unlock()
					b.Release()
				}
			}()
			synctest.Wait() // until it stands in the queue
		}
		if err := b.Acquire(t.Context()); !errors.Is(err, resilience.ErrFull) {
			t.Errorf("the sixth in a queue of five: %v", err)
		}
		time.Sleep(time.Second)
		b.Release()
		synctest.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("served in the order %v", order)
			}
		}
		if s := b.Stats(); len(order) != 5 || s.Waited != 5 || s.WaitSum != 5*time.Second || s.InFlight != 0 {
			t.Errorf("order %v, stats %+v", order, s)
		}
	})
}

func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 1, Queue: 2, Wait: time.Second})
		if err := b.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := b.Acquire(t.Context()); !errors.Is(err, resilience.ErrFull) || time.Since(began) != time.Second {
			t.Errorf("after %s: %v, want ErrFull after 1s", time.Since(began), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("past the deadline: %v", err)
		}
		if err := b.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with the deadline past already: %v", err)
		}
		if s := b.Stats(); s.GaveUp != 2 || s.Waiting != 0 || s.InFlight != 1 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestMorePlacesAdmitThoseThatWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 1, Queue: 9})
		var admitted atomic.Int64
		for range 5 {
			go func() {
				if b.Acquire(t.Context()) == nil {
					admitted.Add(1)
				}
			}()
		}
		synctest.Wait()
		b.Set(resilience.BulkheadSettings{Max: 3, Queue: 9})
		synctest.Wait()
		if n := admitted.Load(); n != 3 {
			t.Errorf("%d are admitted, want 3", n)
		}
		b.Set(resilience.BulkheadSettings{Max: 10})
		synctest.Wait()
		if n := admitted.Load(); n != 5 {
			t.Errorf("%d are admitted, want all 5", n)
		}
	})
}

// A place given to one that gives up in the same moment is given on.
func TestAPlaceGivenTooLateIsNotLost(t *testing.T) {
	b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 1, Queue: 1})
	for range 2000 {
		if err := b.Acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			if b.Acquire(ctx) == nil {
				b.Release()
			}
		}()
		for b.Stats().Waiting == 0 {
			runtime.Gosched()
		}
		cancel()
		b.Release()
		<-done
	}
	if s := b.Stats(); s.InFlight != 0 {
		t.Errorf("stats %+v", s)
	}
}

// Under any mixture of callers that give up, never more than Max are in flight, and no
// place is lost.
func TestNoPlaceIsLost(t *testing.T) {
	for seed := range uint64(10) {
		synctest.Test(t, func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 3))
			b := resilience.NewBulkhead(resilience.BulkheadSettings{Max: 3, Queue: 10, Wait: 20 * time.Millisecond})
			var in, most atomic.Int64
			var all sync.WaitGroup
			for range 300 {
				start, hold, patience := time.Duration(r.IntN(500))*time.Millisecond, time.Duration(r.IntN(20))*time.Millisecond, time.Duration(1+r.IntN(40))*time.Millisecond
				all.Go(func() {
					time.Sleep(start)
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if b.Acquire(ctx) != nil {
						return
					}
					for n := in.Add(1); n > most.Load(); {
						most.Store(n)
					}
					time.Sleep(hold)
					in.Add(-1)
					b.Release()
				})
			}
			all.Wait()
			if s := b.Stats(); most.Load() > 3 || s.InFlight != 0 || s.Waiting != 0 || s.GaveUp == 0 {
				t.Errorf("seed %d: %d at once, stats %+v", seed, most.Load(), s)
			}
		})
	}
}
