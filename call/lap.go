package call

import (
	"context"
	"fmt"
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

// lap is one attempt and the second that may join it. What changes is guarded by the
// course's lock.
type lap[T any] struct {
	course *course[T]
	ctx    context.Context //nolint:containedctx // of the first attempt
	cancel context.CancelFunc
	n      int
	began  time.Time
	at     time.Time // when a second attempt may join; zero: none may
	last   time.Time // after which none begins

	over   bool               // nobody waits for the second any more
	done   chan struct{}      // closed at the second's end; nil before it began
	left   chan struct{}      // closed when the second's goroutine is through; made with done
	second context.CancelFunc // ends the second
	ended  bool               // the second has, with:
	got    made[T]
	err    error
}

// another begins a lap and returns when. What it has a context of its own for is what it
// may have to be ended for.
func (k *course[T]) another(n int, joined bool) (*lap[T], time.Time) {
	l, now := &k.begin, k.began
	if n > 1 {
		l, now = &lap[T]{}, time.Now()
	}
	l.course, l.ctx, l.n, l.began = k, k.ctx, n, now
	if joined {
		l.bide(now)
	}
	switch {
	case l.at.IsZero() && k.limit.IsZero():
		return l, now
	case k.lazy && k.limit.IsZero():
		k.mu.Lock()
		k.lap = l
		k.mu.Unlock()
		return l, now
	}
	l.ctx, l.cancel = context.WithCancel(k.ctx)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lap = l
	if k.expired.Load() { // between two laps
		l.cancel()
		return l, now
	}
	k.watch(now)
	return l, now
}

// bide sets how long an attempt is alone, and until when another may join it.
func (l *lap[T]) bide(now time.Time) {
	k := l.course
	if !k.op.Idempotent || k.alone || k.target.Policy.Retry.Attempts == 1 {
		return
	}
	end, ok := k.ctx.Deadline()
	if !k.limit.IsZero() {
		end, ok = k.limit, true
	}
	if !ok { // nothing bounds it, as at the edge, whose clients may wait for long
		end = k.began.Add(resilience.DefaultTimeout)
	}
	if left := end.Sub(now); left > 0 {
		l.at, l.last = now.Add(left/patience), now.Add(left/lateness)
	}
}

// leave ends the first attempt.
func (l *lap[T]) leave() {
	if l.cancel != nil {
		l.cancel()
	}
}

// settle returns the answer that counts when the first attempt has ended. Both have ended
// then, or the second has nothing any more that it could write to.
func (l *lap[T]) settle(got made[T], err error) (made[T], error) {
	if l.cancel == nil && !l.joined() {
		return got, err
	}
	if l.join(err) {
		if err == nil { // it answered just as it was given up
			l.course.work.discard(got.value)
			got.ticket.Done()
		}
		l.leave()
		if l.err != nil {
			l.second()
			return l.got, l.err
		}
		l.got.ticket.finally(l.second)
		return l.got, nil
	}
	l.end()
	if err != nil {
		l.leave()
		return got, err
	}
	if l.cancel != nil {
		got.ticket.finally(l.cancel)
	}
	return got, nil
}

// joined reports whether a second attempt has begun beside one that nothing watched over;
// from then on none begins.
func (l *lap[T]) joined() bool {
	k := l.course
	if !k.lazy {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	l.at = time.Time{}
	return l.done != nil
}

// join reports whether the second attempt's end is the one that counts. When the first
// has failed without an answer, it waits for the second's.
func (l *lap[T]) join(err error) bool {
	k := l.course
	k.mu.Lock()
	l.at = time.Time{} // no other begins
	waits := l.done != nil && err != nil && !answered(err)
	if !waits && !l.ended {
		l.over = true // from here on the second cannot win
	}
	counts := l.ended && l.answered()
	k.mu.Unlock()
	if !waits {
		return counts
	}
	<-l.done
	return l.answered()
}

// answered reports whether the second attempt, which has ended, brought an answer, be it
// an error.
func (l *lap[T]) answered() bool { return l.err == nil || answered(l.err) }

// end is called when the second attempt does not matter any more.
func (l *lap[T]) end() {
	l.course.mu.Lock()
	defer l.course.mu.Unlock()
	l.over = true
	if l.second != nil {
		l.second()
	}
}

// beside makes the second attempt, on a goroutine of its own.
func (l *lap[T]) beside(ctx context.Context) {
	k := l.course
	defer close(l.left)
	got, err := l.attempt(ctx)
	k.mu.Lock()
	l.got, l.err, l.ended = got, err, true
	over, wins := l.over, l.answered()
	close(l.done)
	if g, ok := k.work.(interface{ giveUp() }); ok && !over && wins {
		g.giveUp() // with the lock held, by which the first attempt's end is told from this one's
	}
	k.mu.Unlock()
	switch {
	case over && err == nil:
		k.work.discard(got.value)
		got.ticket.Done()
	case !over && wins:
		l.leave()
	}
}

// starts decides whether a second attempt begins now, and returns its context if so. The
// course's lock is held.
func (l *lap[T]) starts(now time.Time) context.Context {
	if l.over || l.at.IsZero() || now.Before(l.at) {
		return nil
	}
	l.at = time.Time{}
	k := l.course
	quickest, ok := k.target.Pool.Quickest(now, k.op.want(), k.tried)
	if !ok || len(k.tried) == 0 {
		return nil
	}
	// Of an instance that has answered nobody meanwhile, the calls are as good as not made:
	// to make them elsewhere is no load on top, and no more are to go there.
	first := k.tried[len(k.tried)-1]
	silent := first.Heard.Load() < l.began.UnixNano()
	at := l.began.Add(unusual * quickest)
	switch {
	case now.After(l.last) || at.After(l.last):
		return nil // all are slow, and more calls would not make them quicker
	case at.After(now):
		l.at = at
		return nil
	case silent:
		first.Silent(now)
	}
	if stalled := silent && first.InFlight() > 1; !stalled && !k.target.Budget().Spend(now) {
		return nil
	}
	k.sent.Store(true)
	ctx, cancel := context.WithCancel(k.ctx) //nolint:gosec // called by end, or when the answer is read
	l.second, l.done, l.left = cancel, make(chan struct{}), make(chan struct{})
	return ctx
}

// attempt is an attempt whose panic becomes an error: nobody above could recover it.
func (l *lap[T]) attempt(ctx context.Context) (got made[T], err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &Failed{Err: fmt.Errorf("the attempt panicked: %v", p), Failure: resilience.Failure{Final: true}}
		}
	}()
	return l.course.one(ctx, l.n, true, time.Now())
}
