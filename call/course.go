package call

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// course is one call on its way: its attempts, one after another or two at a time.
type course[T any] struct {
	caller  *Caller
	target  *target
	op      Op
	attempt func(ctx context.Context, t *Ticket) (T, error)
	began   time.Time

	mu    sync.Mutex
	tried []*member
}

// made is an answer and the ticket that stays open with it.
type made[T any] struct {
	value  T
	ticket *Ticket
}

// halted is an error after which no attempt follows, whatever the policy says: none was made.
type halted struct{ error }

func (h halted) Unwrap() error { return h.error }

// do runs attempt until it succeeds or the policies forbid the next. discard frees an
// answer that came too late; nil says that the attempts of this call may not overlap.
func do[T any](ctx context.Context, c *Caller, to *target, op Op, attempt func(context.Context, *Ticket) (T, error), discard func(T)) (T, error) {
	k := &course[T]{caller: c, target: to, op: op, attempt: attempt, began: time.Now()}
	bulkhead := to.Bulkhead()
	if err := bulkhead.Acquire(ctx); err != nil {
		var none T
		to.counts.Call(err)
		return none, k.refused(ctx, err)
	}
	got, err := k.run(ctx, discard)
	to.counts.Call(err)
	if err != nil {
		bulkhead.Release()
		return got.value, err
	}
	got.ticket.finally(bulkhead.Release)
	return got.value, nil
}

// refused is a call that a policy did not let through.
func (k *course[T]) refused(ctx context.Context, err error) error {
	f := resilience.Failure{Timeout: ctx.Err() != nil}
	if f.Timeout {
		return &Failed{Failure: f, Err: fmt.Errorf("%w (while waiting for a place among the calls to %q)", err, k.op.Service)}
	}
	reason := fmt.Sprintf("service %q is not called", k.op.Service)
	switch {
	case errors.Is(err, resilience.ErrFull):
		reason += fmt.Sprintf(": %d calls of this caller are in flight, as many as its bulkhead admits", k.target.Bulkhead().Stats().InFlight)
	case errors.Is(err, resilience.ErrOpen):
		reason += ": too many of the latest calls failed, and its breaker is open"
	}
	return &Failed{Failure: f, Err: problem.Wrap(err, problem.Unavailable, "%s", reason)}
}

func (k *course[T]) run(ctx context.Context, discard func(T)) (made[T], error) {
	settings, budget := k.target.Settings(), k.target.Budget()
	budget.Earn(k.began)
	for n, reached := 1, 1; ; n++ {
		got, err := k.race(ctx, n, discard)
		if err == nil {
			return got, nil
		}
		if h, ok := errors.AsType[halted](err); ok {
			return got, h.error
		}
		f := failure(ctx, err)
		// An instance that cannot be reached is waited for like one that is not there, and
		// nobody bears a load by it.
		if away(f) && time.Since(k.began) < k.caller.cfg.Wait {
			continue
		}
		if k.target.counts.Judged(settings.Retry.Judge(time.Now(), reached, k.op.Idempotent, f, budget)) != resilience.Repeat {
			return got, err
		}
		reached++
	}
}

// race makes one attempt, and a second beside it where the target's hedge advises that,
// or when the first takes unusually long.
func (k *course[T]) race(ctx context.Context, n int, discard func(T)) (made[T], error) {
	hedge := k.target.Hedge()
	after, hedged := hedge.Delay(k.op.Idempotent && discard != nil && !k.op.inline)
	if !hedged {
		return k.rescued(ctx, n, discard)
	}
	r := resilience.Race[made[T]]{
		After:   after,
		Another: func() bool { now := time.Now(); return k.target.pool.others(now) && k.target.Budget().Spend(now) },
		Final:   func(err error) bool { return failure(ctx, err).Answered },
		Discard: func(m made[T]) { discard(m.value); m.ticket.Done() },
	}
	got, won, err := r.Do(ctx, func(ctx context.Context, _ bool) (made[T], error) {
		m, err := k.one(ctx, n, false)
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
func (k *course[T]) one(ctx context.Context, n int, beside bool) (made[T], error) {
	permit, err := k.permit()
	if err != nil {
		return made[T]{}, halted{k.refused(ctx, err)}
	}
	m, err := k.choose(ctx, n)
	if err != nil {
		permit.Ignore()
		return made[T]{}, halted{err}
	}
	in := m.info.Load()
	t := &Ticket{Instance: *in, Addr: in.Endpoints[k.op.Endpoint], member: m, beside: beside}
	var value T
	sent := time.Now()
	err = t.run(ctx, func(ctx context.Context, t *Ticket) (err error) {
		value, err = k.attempt(ctx, t)
		return err
	})
	f := failure(ctx, err)
	if err != nil {
		t.outcome = outcome(f, t.outcome, away(f))
	}
	now := time.Now()
	t.took = now.Sub(sent)
	if err == nil || f.Answered {
		m.heard.Store(now.UnixNano())
	}
	if !f.Final && !t.silent {
		m.Observe(now, t.took, t.outcome)
	}
	tell(permit, now, t.outcome, f, errors.Is(ctx.Err(), context.Canceled))
	k.target.counts.Attempt(t.outcome, f)
	return made[T]{value, t}, err
}

// permit asks the breaker.
func (k *course[T]) permit() (resilience.Permit, error) {
	b := k.target.Breaker()
	now := time.Now()
	permit, err := b.Allow(now)
	if err != nil && b != nil {
		if s := k.target.Settings().Breaker; s != nil && s.FailOpen {
			return b.Force(now), nil
		}
	}
	return permit, err
}

// tell ends a permit: the target is at fault where an instance was, and nothing is known
// of it where the caller gave up or the request was the reason.
func tell(p resilience.Permit, now time.Time, o balance.Outcome, f resilience.Failure, gaveUp bool) {
	switch {
	case f.Final, gaveUp && f.Timeout, o == balance.Shed:
		p.Ignore()
	default:
		p.Done(now, o != balance.OK)
	}
}

// choose picks a member that was not tried yet; when all were, it gives them time, or a
// new one to appear.
func (k *course[T]) choose(ctx context.Context, n int) (*member, error) {
	changed := k.target.pool.view.Changed()
	k.mu.Lock()
	tried := slices.Clone(k.tried)
	k.mu.Unlock()
	m, err := k.caller.next(ctx, k.target.pool, k.op, tried)
	if err != nil {
		return nil, err
	}
	if n > 1 && slices.Contains(tried, m) {
		m.end()
		pauseUntil(ctx, changed, max(leastPause<<min(n-2, 5), k.target.Settings().Retry.Pause(n-1)))
		if m, err = k.caller.next(ctx, k.target.pool, k.op, tried); err != nil {
			return nil, err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if !slices.Contains(k.tried, m) {
		k.tried = append(k.tried, m)
	}
	return m, nil
}

// away reports whether an attempt reached nobody.
func away(f resilience.Failure) bool { return !f.Sent && !f.Timeout && !f.Answered && !f.Final }
