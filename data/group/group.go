// Package group lets many goroutines share one commit. What each of them would have
// written by itself is collected while the database is busy with the others', and goes
// to it together: one statement, one transaction, one flush of its log.
//
// It waits for nobody: who comes while nothing is under way writes at once, alone, on
// its own goroutine; who comes meanwhile is taken along by the next flush. So a lane adds no latency where
// there is little to do, and its groups grow with the load by themselves.
//
// It is for rows that have no other effects to be committed with. What belongs to a
// caller's transaction stays there.
package group

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/musterdev/muster/data/tx"
)

// DefaultMost is how many items a group has at most where a Lane does not say.
const DefaultMost = 256

// Lane has one flush under way at a time. Its fields may not change once Do was called,
// and Do may be called by any number of goroutines.
type Lane[T any] struct {
	// Flush writes items in one transaction. Its first result says what became of each,
	// in their order, and may be nil where all is well: such an error is the item's own and
	// has nothing to do with the others. With the second nothing of them is committed, as far as
	// Flush knows.
	//
	// Where that error may be one item's doing, by its SQLSTATE, each is flushed again in smaller
	// groups, alone in the end: an item is to be such that writing it twice does no harm.
	//
	// Its context has the values of the first item's, and ends when none of those waits
	// any more whose items it has.
	Flush func(ctx context.Context, items []T) ([]error, error)
	Most  int // of one flush; 0: DefaultMost

	mu    sync.Mutex
	busy  bool
	queue []*entry[T]
	spare sync.Pool // entries that were answered

	// Of the flush under way; it keeps them for the next.
	batch []*entry[T]
	items []T
}

// entry is an item with who waits for it.
type entry[T any] struct {
	ctx   context.Context //nolint:containedctx // of the one call that waits
	item  T
	ended chan error
	err   error  // what it is to be answered
	gone  bool   // nobody waits for it
	known bool   // it is about to be answered
	taken *group // nil while it is queued
}

// group is who waits for one flush.
type group struct {
	waiting int
	cancel  context.CancelFunc
}

// Do writes an item, together with those of others that come at the same time, and
// returns what became of it. When ctx ends before, Do returns its error: an item that
// was still queued is not written; of one that was on its way it is not known.
func (l *Lane[T]) Do(ctx context.Context, item T) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		defer l.next() // though Flush panics
		errs, err := l.Flush(ctx, []T{item})
		return own(errs, err, 0)
	}
	e := l.entry()
	e.ctx, e.item = ctx, item
	l.queue = append(l.queue, e)
	l.mu.Unlock()
	select {
	case err := <-e.ended:
		return l.answered(e, err)
	case <-ctx.Done():
	}
	l.mu.Lock()
	if e.known { // at the same moment
		l.mu.Unlock()
		return l.answered(e, <-e.ended)
	}
	defer l.mu.Unlock()
	if e.gone = true; e.taken != nil { // it is not answered yet, and so still counted
		if e.taken.waiting--; e.taken.waiting == 0 {
			e.taken.cancel()
		}
	}
	return ctx.Err()
}

// entry returns one that nobody waits for.
func (l *Lane[T]) entry() *entry[T] {
	if e, ok := l.spare.Get().(*entry[T]); ok {
		return e
	}
	return &entry[T]{ended: make(chan error, 1)}
}

// answered gives an entry back. Of one that nobody waited for to the end a flush may still know.
func (l *Lane[T]) answered(e *entry[T], err error) error {
	*e = entry[T]{ended: e.ended}
	l.spare.Put(e)
	return err
}

// next has what was queued flushed, on a goroutine that ends when nothing is left.
func (l *Lane[T]) next() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy = len(l.queue) > 0; l.busy {
		go l.drain()
	}
}

func (l *Lane[T]) drain() {
	for {
		// Those who have just been answered are let come back first: else the fastest of them
		// would be flushed alone, and the rest behind it.
		runtime.Gosched()
		ctx, batch, cancel := l.take()
		if len(batch) == 0 {
			return
		}
		l.settle(ctx, batch)
		cancel()
	}
}

// take returns what is to be flushed next. With nothing left the lane is free.
func (l *Lane[T]) take() (ctx context.Context, batch []*entry[T], cancel context.CancelFunc) {
	most := l.Most
	if most <= 0 {
		most = DefaultMost
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	batch = l.batch[:0]
	for ; n < len(l.queue) && len(batch) < most; n++ {
		if e := l.queue[n]; !e.gone {
			batch = append(batch, e)
		}
	}
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	if len(batch) == 0 {
		l.busy = false
		return nil, nil, nil
	}
	ctx, cancel = context.WithCancel(context.WithoutCancel(batch[0].ctx))
	g := &group{waiting: len(batch), cancel: cancel}
	for _, e := range batch {
		e.taken = g
	}
	l.batch = batch
	return ctx, batch, cancel
}

// settle flushes a batch and tells each what became of it.
func (l *Lane[T]) settle(ctx context.Context, batch []*entry[T]) {
	items := l.items[:0]
	for _, e := range batch {
		items = append(items, e.item)
	}
	l.items = items
	errs, err := l.guarded(ctx, items)
	clear(items)
	if err != nil && len(batch) > 1 && ofOne(err) && ctx.Err() == nil {
		l.settle(ctx, batch[:len(batch)/2])
		l.settle(ctx, batch[len(batch)/2:])
		return
	}
	l.decide(batch, errs, err)
	for i, e := range batch { // not while others wait for the lock: they come again at once
		batch[i] = nil
		e.ended <- e.err // it has room
	}
}

// decide writes down what each of a batch is to be told.
func (l *Lane[T]) decide(batch []*entry[T], errs []error, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	g := batch[0].taken // of the whole group, though it was split
	for i, e := range batch {
		if !e.gone {
			g.waiting--
		}
		e.known, e.err = true, own(errs, err, i)
	}
	if g.waiting == 0 { // of the other half of a group that was split nobody waits either
		g.cancel()
	}
}

// guarded makes an error of a panic: it would end the process on a goroutine that nobody knows.
func (l *Lane[T]) guarded(ctx context.Context, items []T) (errs []error, err error) {
	ended := false
	defer func() {
		if !ended {
			err = errPanic
			_ = recover() // the error says that there was one
		}
	}()
	errs, err = l.Flush(ctx, items)
	ended = true
	return errs, err
}

var errPanic = errors.New("group: the flush panicked")

// own is what became of one item.
func own(errs []error, err error, i int) error {
	if err == nil && i < len(errs) {
		err = errs[i]
	}
	return err
}

// ofOne reports whether an error may be the doing of one item: its data (22, 44), a
// constraint (23), the limits of a program (54), whom it met (40, 55), or a plain
// exception raised in the database (P0). All others are of the connection, the server, or the statement.
func ofOne(err error) bool {
	state := tx.SQLState(err)
	if len(state) < 2 {
		return false
	}
	switch state[:2] {
	case "22", "23", "40", "44", "54", "55", "P0":
		return true
	}
	return false
}
