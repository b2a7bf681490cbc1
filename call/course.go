package call

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/internal/alarm"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// work is what one protocol does in a call.
type work[T any] interface {
	// attempt is made at one instance. The ticket stays open when it succeeds.
	attempt(ctx context.Context, t *Ticket) (T, error)
	// discard frees an answer that came too late.
	discard(answer T)
}

// course is one call on its way: its attempts, one after another or two at a time. It
// holds what the usual call needs, one attempt, so that this is made in one piece.
type course[T any] struct {
	caller *Caller
	target *pool.Target
	op     Op
	work   work[T]
	alone  bool // its attempts may not overlap
	lazy   bool // nothing watches over it, but whoever calls Join

	ctx     context.Context //nolint:containedctx // the caller's; a second attempt begins on another goroutine
	began   time.Time
	limit   time.Time   // until when an answer is waited for; zero: for as long as ctx goes on
	expired atomic.Bool // limit has passed
	sent    atomic.Bool // something of an attempt that has failed, or that another joined, may have reached its instance

	mu      sync.Mutex
	tried   []*pool.Member
	taken   bool         // the first ticket is in use
	guard   *alarm.Alarm // nil until there is something to watch over
	over    bool         // nothing is watched over any more
	guarded bool         // somebody may still hold what it is made of
	lap     *lap[T]

	ticket Ticket // of the first attempt
	begin  lap[T] // the first
	room   [2]*pool.Member
}

// made is an answer and the ticket that stays open with it.
type made[T any] struct {
	value  T
	ticket *Ticket
}

// halted is an error after which no attempt follows, whatever the policy says: none was made.
type halted struct{ error }

func (h halted) Unwrap() error { return h.error }

// set makes it the course of one call.
func (k *course[T]) set(c *Caller, to *pool.Target, op Op, w work[T]) {
	k.caller, k.target, k.op, k.work, k.began = c, to, op, w, time.Now()
}

// within bounds a call that has no deadline, and where the target's timeout was said one
// with a later deadline too.
func (k *course[T]) within(ctx context.Context) {
	k.limit = k.target.Until(ctx, k.began)
}

// do makes attempts until one succeeds or the policies forbid the next.
func (k *course[T]) do(ctx context.Context) (value T, err error) {
	k.ctx, k.tried = ctx, k.room[:0]
	if late := k.late(ctx); late != nil {
		err = k.gaveUp(late, "before the call of")
		k.target.Counts.Call(err)
		return value, err
	}
	bulkhead := k.target.Bulkhead()
	if bulkhead != nil {
		if err := k.admitted(bulkhead); err != nil {
			k.target.Counts.Call(err)
			return value, k.refused(err)
		}
	}
	ended := false
	defer func() { // also when it panics
		k.unwatched()
		if !ended {
			bulkhead.Release()
		}
	}()
	got, err := k.run()
	if err != nil && k.sent.Load() {
		if failed, ok := errors.AsType[*Failed](err); ok {
			failed.Sent = true // of the whole call, not only its last attempt
		}
	}
	k.target.Counts.Call(err)
	if ended = err == nil && bulkhead != nil; ended {
		got.ticket.finally(bulkhead.Release)
	}
	return got.value, err
}

// admitted waits for a place, no longer than for an answer.
func (k *course[T]) admitted(b *resilience.Bulkhead) error {
	if b.Try() {
		return nil
	}
	if k.limit.IsZero() {
		return b.Acquire(k.ctx)
	}
	ctx, cancel := context.WithDeadline(k.ctx, k.limit)
	defer cancel()
	err := b.Acquire(ctx)
	k.expired.Store(err != nil && ctx.Err() != nil && k.ctx.Err() == nil)
	return err
}

// refused is a call that a policy did not let through.
func (k *course[T]) refused(err error) error {
	switch late := k.late(k.ctx); {
	case errors.Is(late, context.Canceled):
		return k.gaveUp(late, "while waiting for a place among the calls to")
	case late != nil:
		return k.unsent(resilience.ErrFull, "no place among the calls to service %q became free", k.op.Service)
	}
	reason, after := fmt.Sprintf("service %q is not called", k.op.Service), time.Duration(0)
	switch {
	case errors.Is(err, resilience.ErrFull):
		reason += fmt.Sprintf(": %d calls of this caller are in flight, as many as its bulkhead admits", k.target.Bulkhead().Stats().InFlight)
	case errors.Is(err, resilience.ErrOpen):
		reason += ": too many of the latest calls failed, and its breaker is open"
		after = k.target.Breaker().Stats(time.Now()).Left
	}
	return &Failed{Err: problem.Wrap(err, problem.Unavailable, "%s", reason), After: after}
}

func (k *course[T]) run() (made[T], error) {
	budget := k.target.Budget()
	budget.Earn(k.began)
	for n, reached := 1, 1; ; n++ {
		got, err := k.once(n)
		if err == nil {
			return got, nil
		}
		if h, ok := errors.AsType[halted](err); ok {
			return got, h.error
		}
		f := k.failure(k.ctx, err)
		// An instance that cannot be reached is waited for like one that is not there, and
		// nobody bears a load by it.
		if away(f) && time.Since(k.began) < k.caller.cfg.Wait {
			continue
		}
		if k.target.Counts.Judged(k.target.Policy.Retry.Judge(time.Now(), reached, k.op.Idempotent, f, budget)) != resilience.Repeat {
			return got, err
		}
		reached++
	}
}

// once makes one attempt, and a second beside it where the target's hedge advises that,
// or when the first takes unusually long.
func (k *course[T]) once(n int) (made[T], error) {
	hedge := k.target.Hedge()
	after, hedged := hedge.Delay(k.op.Idempotent && !k.alone && !k.op.inline)
	l, now := k.another(n, !hedged)
	var got made[T]
	var err error
	ended := false
	defer func() { // a panic of the attempt
		if !ended {
			l.end()
			l.leave()
		}
	}()
	if hedged {
		got, err = k.race(l.ctx, n, hedge, after)
	} else {
		got, err = k.one(l.ctx, n, false, now)
	}
	ended = true
	return l.settle(got, err)
}

// race makes one attempt, and a second when that takes longer than the hedge says.
func (k *course[T]) race(ctx context.Context, n int, hedge *resilience.Hedge, after time.Duration) (made[T], error) {
	r := resilience.Race[made[T]]{
		After: after,
		Another: func() bool {
			now := time.Now()
			joins := k.target.Pool.Others(now) && k.target.Budget().Spend(now)
			if joins {
				k.sent.Store(true)
			}
			return joins
		},
		Final:   answered,
		Discard: func(m made[T]) { k.work.discard(m.value); m.ticket.Done() },
	}
	got, won, err := r.Do(ctx, func(ctx context.Context, _ bool) (made[T], error) {
		m, err := k.one(ctx, n, false, time.Now())
		if m.ticket != nil {
			hedge.Observe(time.Now(), m.ticket.took)
		}
		return m, err
	})
	if won.Started {
		hedge.Started(won.Second && err == nil)
	}
	if err != nil {
		won.Release()
		return got, err
	}
	got.ticket.finally(won.Release)
	return got, nil
}

// one makes one attempt at one instance, beside another where that takes too long.
func (k *course[T]) one(ctx context.Context, n int, beside bool, now time.Time) (made[T], error) {
	permit, err := k.permit()
	if err != nil {
		return made[T]{}, halted{k.refused(err)}
	}
	t, sent, err := k.choose(ctx, n, now)
	if err != nil {
		permit.Ignore()
		return made[T]{}, halted{err}
	}
	t.beside = beside
	value, err := k.attempt(ctx, t, permit)
	now = time.Now()
	t.took = now.Sub(sent)
	var f resilience.Failure
	if err != nil {
		f = k.failure(ctx, err)
		t.outcome = outcome(f, t.outcome, away(f))
		if f.Sent || f.Answered {
			k.sent.Store(true)
		}
	}
	if err == nil || f.Answered {
		t.member.Heard.Store(now.UnixNano())
	}
	if !f.Final && !t.silent {
		t.member.Observe(now, t.took, t.outcome)
	}
	tell(permit.From(sent.Add(t.queued)), now, t.outcome, f, f.Timeout && errors.Is(k.late(ctx), context.Canceled))
	if !t.silent || err != nil {
		k.target.Counts.Attempt(t.outcome, f)
	}
	return made[T]{value, t}, err
}

// attempt makes one; the ticket stays open only when it succeeds.
func (k *course[T]) attempt(ctx context.Context, t *Ticket, permit resilience.Permit) (value T, err error) {
	ended := false
	defer func() { // also when it panics
		if !ended || err != nil {
			t.Done()
		}
		if !ended {
			permit.Ignore()
		}
	}()
	value, err = k.work.attempt(ctx, t)
	ended = true
	return value, err
}
