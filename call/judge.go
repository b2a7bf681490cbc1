package call

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// late returns why nobody waits any more for what is done in ctx; nil while somebody does.
func (k *course[T]) late(ctx context.Context) error {
	err := ctx.Err()
	if err == nil && !k.expired.Load() {
		return nil
	}
	if err == nil || k.expired.Load() && k.ctx.Err() == nil || errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

// unsent is a call whose time was up before anything was sent: where only the service's
// timeout ended it, the service was not there; else the caller's time was up.
func (k *course[T]) unsent(why error, format string, args ...any) error {
	code, by := problem.Unavailable, fmt.Sprintf("within %s", k.limit.Sub(k.began))
	if k.ctx.Err() != nil {
		code, by = problem.DeadlineExceeded, "in the time its caller gave"
	}
	if errors.Is(why, context.Canceled) { // how the attempt was ended
		why = context.DeadlineExceeded
	} else if !errors.Is(why, context.DeadlineExceeded) {
		why = fmt.Errorf("%w: %w", why, context.DeadlineExceeded)
	}
	return &Failed{
		Failure: resilience.Failure{Timeout: true},
		Err:     problem.Wrap(why, code, "%s %s; nothing was sent", fmt.Sprintf(format, args...), by),
	}
}

// gaveUp is a call whose caller waits no more for what: nothing was sent.
func (k *course[T]) gaveUp(err error, what string) error {
	return &Failed{
		Failure: resilience.Failure{Timeout: true},
		Err:     fmt.Errorf("%w (%s service %q; nothing was sent)", err, what, k.op.Service),
	}
}

// failure reads what is known of err: an error that is not *Failed counts as sent.
func (k *course[T]) failure(ctx context.Context, err error) resilience.Failure {
	f := resilience.Failure{Sent: true}
	if failed, ok := errors.AsType[*Failed](err); ok {
		f = failed.Failure
	}
	f.Timeout = f.Timeout || k.late(ctx) != nil
	return f
}

// answered reports whether err is the peer's own answer.
func answered(err error) bool {
	failed, ok := errors.AsType[*Failed](err)
	return ok && failed.Answered
}

// permit asks the breaker.
func (k *course[T]) permit() (resilience.Permit, error) {
	b := k.target.Breaker()
	if b == nil {
		return resilience.Permit{}, nil
	}
	now := time.Now()
	permit, err := b.Allow(now)
	if s := k.target.Policy.Breaker; err != nil && s != nil && s.FailOpen {
		return b.Force(now), nil
	}
	return permit, err
}

// tell ends a permit: the target is at fault where an instance was, and nothing is known
// of it where the caller gave up or the request was the reason.
func tell(p resilience.Permit, now time.Time, o balance.Outcome, f resilience.Failure, gaveUp bool) {
	switch {
	case f.Final, gaveUp, o == balance.Shed:
		p.Ignore()
	default:
		p.Done(now, o != balance.OK)
	}
}

// away reports whether an attempt reached nobody.
func away(f resilience.Failure) bool { return !f.Sent && !f.Timeout && !f.Answered && !f.Final }

// outcome is what a failed attempt tells of its instance; said is what the instance's
// own answer told, if there was one.
func outcome(f resilience.Failure, said balance.Outcome, away bool) balance.Outcome {
	switch {
	case f.Answered:
		return said
	case f.Timeout:
		return balance.Abandoned
	case away:
		return balance.Unreachable
	default:
		return balance.Failed
	}
}
