package cache

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

// Batch makes one load out of look-ups that come together, for a source that answers
// for many keys as easily as for one. A look-up goes out at once while no load is on its
// way, and otherwise with the next: when the one on its way ends, when Most keys have
// come together, or after Wait. An answer was always loaded after its look-up began.
// Load must be set; the fields must not change once it is used. It is safe for
// concurrent use, keeps nothing, and answers [Cache] as its Load where GetMany is given.
type Batch[T any] struct {
	Load    Load[T]
	Wait    time.Duration // at most, for others to come; 0: 1 ms
	Most    int           // keys of one load; 0: 100
	Timeout time.Duration // of one load; 0: 10 s

	mu     sync.Mutex
	next   *lot[T] // not sent yet
	flying int     // loads on their way
}

// lot is what goes out as one load.
type lot[T any] struct {
	keys    []string
	ctx     context.Context //nolint:containedctx // of the goroutine that loads
	cancel  context.CancelFunc
	timer   *time.Timer
	waiters int // guarded by Batch.mu
	done    chan struct{}
	values  map[string]T
	err     error
}

// Get returns the value of a key, and false for one that does not exist. The error is
// Load's for the keys that went together, or that of ctx.
func (b *Batch[T]) Get(ctx context.Context, key string) (T, bool, error) {
	values, err := b.GetMany(ctx, []string{key})
	value, found := values[key]
	return value, found, err
}

// GetMany returns the values of keys, of any number; those that do not exist are
// missing.
func (b *Batch[T]) GetMany(ctx context.Context, keys []string) (map[string]T, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	lots := b.enter(ctx, keys)
	defer b.leave(lots)
	for _, l := range lots {
		select {
		case <-l.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
		if l.err != nil {
			return nil, l.err
		}
	}
	values := make(map[string]T, len(keys))
	for _, key := range keys {
		for _, l := range lots {
			if value, found := l.values[key]; found {
				values[key] = value
			}
		}
	}
	return values, nil
}

// enter puts keys into lots, and sends those that need not wait.
func (b *Batch[T]) enter(ctx context.Context, keys []string) []*lot[T] {
	most := orDefault(max(b.Most, 0), 100)
	b.mu.Lock()
	defer b.mu.Unlock()
	var lots []*lot[T]
	for _, key := range keys {
		l := b.next
		if l == nil {
			l = b.newLot(ctx)
			b.next = l
		}
		if !slices.Contains(lots, l) {
			l.waiters++
			lots = append(lots, l)
		}
		if !slices.Contains(l.keys, key) {
			l.keys = append(l.keys, key)
		}
		if len(l.keys) >= most {
			b.send()
		}
	}
	switch {
	case b.next == nil:
	case b.flying == 0:
		b.send()
	case b.next.timer == nil:
		l := b.next
		l.timer = time.AfterFunc(orDefault(max(b.Wait, 0), time.Millisecond), func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			if b.next == l {
				b.send()
			}
		})
	}
	return lots
}

func (b *Batch[T]) newLot(ctx context.Context) *lot[T] {
	l := &lot[T]{done: make(chan struct{})}
	l.ctx, l.cancel = context.WithTimeout(context.WithoutCancel(ctx), orDefault(max(b.Timeout, 0), 10*time.Second)) //nolint:gosec // leave or load calls it
	return l
}

// leave gives up waiting; a lot that nobody waits for is ended.
func (b *Batch[T]) leave(lots []*lot[T]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range lots {
		if l.waiters--; l.waiters == 0 {
			l.cancel()
			if b.next == l {
				b.next = nil
			}
		}
	}
}

// send has the next lot loaded. b.mu is held.
func (b *Batch[T]) send() {
	l := b.next
	b.next = nil
	b.flying++
	if l.timer != nil {
		l.timer.Stop()
	}
	go b.load(l)
}

func (b *Batch[T]) load(l *lot[T]) {
	l.err = problem.New(problem.Internal, "the load of %d keys ended without an answer", len(l.keys))
	defer func() {
		if p := recover(); p != nil {
			l.err = problem.Wrap(problem.Recovered(p), problem.Internal, "the load of %d keys panicked", len(l.keys))
		}
		close(l.done)
		l.cancel()
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.flying--; b.next != nil && b.flying == 0 {
			b.send()
		}
	}()
	l.values, l.err = b.Load(l.ctx, l.keys)
}
