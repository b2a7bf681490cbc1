package resilience

import (
	"cmp"
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

// ErrFull is what a call satisfies with errors.Is that a [Bulkhead] refused: as many
// calls as it admits are in flight, and none may wait, or none became free in time.
var ErrFull = problem.New(problem.Unavailable, "the bulkhead is full: too many calls are in flight")

// BulkheadSettings bound the calls in flight to one target, so that a slow one does
// not take all that its caller has. The zero value means [DefaultBulkhead].
type BulkheadSettings struct {
	Max   int           `yaml:"max"`   // calls in flight; 0 means 100, or no bound where only Connections is set
	Queue int           `yaml:"queue"` // calls that may wait for a place; 0: none
	Wait  time.Duration `yaml:"wait"`  // how long one may wait; 0: as long as its context allows
	// Connections are how many HTTP/1 connections one instance gets; a call that finds all
	// in use waits for one. 0: as many as there are calls. (HTTP/2 and gRPC share one.)
	Connections int `yaml:"connections"`
}

// places returns the settings where they bound the calls in flight, else nil.
func (s *BulkheadSettings) places() *BulkheadSettings {
	if s != nil && s.Connections > 0 && *s == (BulkheadSettings{Connections: s.Connections}) {
		return nil
	}
	return s
}

// DefaultBulkhead admits a hundred calls at once and lets none wait.
var DefaultBulkhead = BulkheadSettings{Max: 100}

// Bulkhead admits a bounded number of calls at once; those that wait are served in the
// order they came. The zero value has the default settings; a nil *Bulkhead admits
// everything. Safe for concurrent use.
type Bulkhead struct {
	mu       sync.Mutex
	settings BulkheadSettings
	inFlight int
	queue    list.List // of *waiter, the longest waiting first
	waited   uint64
	waitSum  time.Duration
	full     uint64
	gaveUp   uint64
}

type waiter struct{ admitted chan struct{} }

// NewBulkhead returns a bulkhead with these settings.
func NewBulkhead(s BulkheadSettings) *Bulkhead { return &Bulkhead{settings: s} }

// Set changes the settings. Calls in flight stay, also when they are more than Max now.
func (b *Bulkhead) Set(s BulkheadSettings) {
	b.mu.Lock()
	b.settings = s
	b.admit()
	b.mu.Unlock()
}

// Try takes a place if one is free, and reports whether it did.
func (b *Bulkhead) Try() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	free := b.inFlight < cmp.Or(b.settings.Max, DefaultBulkhead.Max) // then nobody waits, as admit leaves no place free
	if free {
		b.inFlight++
	}
	return free
}

// Acquire takes a place, waiting for one where the settings allow it. It returns
// ErrFull or the error of ctx, and then holds no place. Each place taken is given back
// by one Release.
func (b *Bulkhead) Acquire(ctx context.Context) error {
	if b == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return b.acquire(ctx)
}

func (b *Bulkhead) acquire(ctx context.Context) error {
	b.mu.Lock()
	if b.inFlight < cmp.Or(b.settings.Max, DefaultBulkhead.Max) {
		b.inFlight++
		b.mu.Unlock()
		return nil
	}
	if b.queue.Len() >= b.settings.Queue {
		b.full++
		b.mu.Unlock()
		return ErrFull
	}
	w := &waiter{admitted: make(chan struct{})}
	place := b.queue.PushBack(w)
	wait := b.settings.Wait
	b.mu.Unlock()
	return b.wait(ctx, w, place, wait)
}

func (b *Bulkhead) wait(ctx context.Context, w *waiter, place *list.Element, wait time.Duration) error {
	began := time.Now()
	var timeout <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		timeout = t.C
	}
	var err error
	select {
	case <-w.admitted:
	case <-timeout:
		err = ErrFull
	case <-ctx.Done():
		err = ctx.Err()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.waited++
	b.waitSum += time.Since(began)
	if err == nil {
		return nil
	}
	select {
	case <-w.admitted: // admitted just as the time was up: the place is there, so it is taken
		if ctx.Err() == nil {
			return nil
		}
		b.inFlight--
	default:
		b.queue.Remove(place)
	}
	b.gaveUp++
	b.admit()
	return err
}

// Release gives a place back.
func (b *Bulkhead) Release() {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.inFlight--
	b.admit()
	b.mu.Unlock()
}

// admit gives free places to those that wait; b.mu is held.
func (b *Bulkhead) admit() {
	limit := cmp.Or(b.settings.Max, DefaultBulkhead.Max)
	for b.queue.Len() > 0 && b.inFlight < limit {
		if w, ok := b.queue.Remove(b.queue.Front()).(*waiter); ok {
			b.inFlight++
			close(w.admitted)
		}
	}
}

// BulkheadStats tell how a bulkhead stands.
type BulkheadStats struct {
	Max      int           `json:"max"`
	InFlight int           `json:"in_flight"`
	Waiting  int           `json:"waiting"`
	Waited   uint64        `json:"waited"`   // calls that had to wait, since the start
	WaitSum  time.Duration `json:"wait_sum"` // the time they waited, together
	Full     uint64        `json:"full"`     // calls refused at once, since the start
	GaveUp   uint64        `json:"gave_up"`  // calls that waited in vain, since the start
}

// Stats returns how the bulkhead stands; a nil Bulkhead has none.
func (b *Bulkhead) Stats() BulkheadStats {
	if b == nil {
		return BulkheadStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return BulkheadStats{
		Max: cmp.Or(b.settings.Max, DefaultBulkhead.Max), InFlight: b.inFlight, Waiting: b.queue.Len(),
		Waited: b.waited, WaitSum: b.waitSum, Full: b.full, GaveUp: b.gaveUp,
	}
}
