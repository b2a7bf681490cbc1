package call

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// An instance that stalls (a process that is stopped, a machine that is cut off) keeps its
// connections and says nothing. Where a call may be repeated, its attempt is not given up
// for that, as it may only be slow: a second is made beside it at another instance, and
// the first answer counts.
const (
	patience = 4 // an attempt is alone for this part of the time its call has,
	unusual  = 5 // and for so many times what the quickest other instance takes,
	lateness = 2 // but is not joined by another when this part of the time is over
)

// rescue is one attempt and the second that may join it.
type rescue[T any] struct {
	course  *course[T]
	ctx     context.Context //nolint:containedctx // of the call; the second attempt begins on another goroutine
	n       int
	began   time.Time
	last    time.Time // after which no second attempt begins
	discard func(T)
	leave   context.CancelFunc // ends the first attempt

	mu     sync.Mutex
	timer  *time.Timer
	over   bool               // nobody waits for the second any more
	done   chan struct{}      // closed at the second's end; nil before it began
	cancel context.CancelFunc // ends the second
	ended  bool               // the second has, with:
	got    made[T]
	err    error
}

// patience returns how long an attempt is alone, and until when another may join it;
// false when none may.
func (k *course[T]) patience(ctx context.Context, now time.Time) (after time.Duration, last time.Time, ok bool) {
	if !k.op.Idempotent || k.target.Settings().Retry.Attempts == 1 {
		return 0, last, false
	}
	end, ok := ctx.Deadline()
	if own := k.target.timeout(); own > 0 && (!ok || k.target.told) {
		if at := k.began.Add(own); !ok || at.Before(end) {
			end, ok = at, true
		}
	}
	if !ok { // nothing bounds it, as at the edge, whose clients may wait for long
		end = k.began.Add(resilience.DefaultTimeout)
	}
	left := end.Sub(now)
	if left <= 0 {
		return 0, last, false
	}
	return left / patience, now.Add(left / lateness), true
}

// rescued makes one attempt, and a second beside it when the first takes unusually long.
// Both have ended, or the second has nothing any more that it could write to, when it
// returns.
func (k *course[T]) rescued(ctx context.Context, n int, discard func(T)) (made[T], error) {
	now := time.Now()
	after, last, ok := k.patience(ctx, now)
	if !ok || discard == nil {
		return k.one(ctx, n, false)
	}
	first, leave := context.WithCancel(ctx)
	r := &rescue[T]{course: k, ctx: ctx, n: n, began: now, last: last, discard: discard, leave: leave}
	r.mu.Lock()
	r.timer = time.AfterFunc(after, r.second)
	r.mu.Unlock()
	ended := false
	defer func() { // a panic of the attempt
		if !ended {
			r.end()
			leave()
		}
	}()
	got, err := k.one(first, n, false)
	ended = true
	return r.settle(got, err)
}

// settle returns the answer that counts when the first attempt has ended.
func (r *rescue[T]) settle(got made[T], err error) (made[T], error) {
	if late := r.join(err); late {
		if err == nil { // it answered just as it was given up
			r.discard(got.value)
			got.ticket.Done()
		}
		r.leave()
		if r.err != nil {
			r.cancel()
			return r.got, r.err
		}
		r.got.ticket.finally(r.cancel)
		return r.got, nil
	}
	r.end()
	if err != nil {
		r.leave()
		return got, err
	}
	got.ticket.finally(r.leave)
	return got, nil
}

// join reports whether the second attempt's end is the one that counts. When the first
// has failed without an answer, it waits for the second's.
func (r *rescue[T]) join(err error) bool {
	r.timer.Stop()
	r.mu.Lock()
	waits := r.done != nil && err != nil && !failure(r.ctx, err).Answered
	if !waits && !r.ended {
		r.over = true // from here on the second cannot win
	}
	counts := r.ended && r.answered()
	r.mu.Unlock()
	if !waits {
		return counts
	}
	<-r.done
	return r.answered()
}

// answered reports whether the second attempt, which has ended, brought an answer, be it
// an error.
func (r *rescue[T]) answered() bool { return r.err == nil || failure(r.ctx, r.err).Answered }

// end is called when the second attempt does not matter any more.
func (r *rescue[T]) end() {
	r.timer.Stop()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.over = true
	if r.cancel != nil {
		r.cancel()
	}
}

// second runs on a goroutine of its own when the first attempt was alone for long enough.
func (r *rescue[T]) second() {
	ctx, ok := r.starts()
	if !ok {
		return
	}
	got, err := r.attempt(ctx)
	r.mu.Lock()
	r.got, r.err, r.ended = got, err, true
	over, wins := r.over, r.answered()
	close(r.done)
	r.mu.Unlock()
	switch {
	case over && err == nil:
		r.discard(got.value)
		got.ticket.Done()
	case !over && wins:
		r.leave()
	}
}

// starts decides whether a second attempt begins.
func (r *rescue[T]) starts() (context.Context, bool) {
	now, pool := time.Now(), r.course.target.pool
	r.course.mu.Lock()
	tried := slices.Clone(r.course.tried)
	r.course.mu.Unlock()
	quickest, ok := pool.quickest(now, r.course.op, tried)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over || !ok || len(tried) == 0 {
		return nil, false
	}
	// Of an instance that has answered nobody meanwhile, the calls are as good as not made:
	// to make them elsewhere is no load on top, and no more are to go there.
	first := tried[len(tried)-1]
	silent := first.heard.Load() < r.began.UnixNano()
	at := r.began.Add(unusual * quickest)
	switch {
	case now.After(r.last) || at.After(r.last):
		return nil, false // all are slow, and more calls would not make them quicker
	case at.After(now):
		r.timer.Reset(at.Sub(now))
		return nil, false
	case silent:
		first.Silent(now)
	}
	if stalled := silent && first.InFlight() > 1; !stalled && !r.course.target.Budget().Spend(now) {
		return nil, false
	}
	ctx, cancel := context.WithCancel(r.ctx) //nolint:gosec // called by end, or when the answer is read
	r.cancel, r.done = cancel, make(chan struct{})
	return ctx, true
}

// attempt is an attempt whose panic becomes an error: nobody above could recover it.
func (r *rescue[T]) attempt(ctx context.Context) (got made[T], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Failed{Err: fmt.Errorf("the attempt panicked: %v", p), Failure: resilience.Failure{Final: true}}
		}
	}()
	return r.course.one(ctx, r.n, true)
}
