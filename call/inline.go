package call

import (
	"context"
	"errors"
	"time"

	"github.com/musterdev/muster/call/internal/carry"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/resilience"
)

// Attempts are what an [Inline] call is made of, for whoever speaks the protocol. T is an
// answer.
type Attempts[T any] interface {
	// Attempt asks one instance. The ticket stays open when it succeeds: whoever holds the
	// answer ends it by [Ticket.Done]. One that fails returns *[Failed] to say what is known of
	// it; any other error counts as "something was sent". It ends when ctx does. beside says
	// that it is made on another goroutine while the first one runs.
	Attempt(ctx context.Context, t *Ticket, beside bool) (T, error)
	// GiveUp has the first attempt, which runs on the goroutine of Do, end at once.
	GiveUp()
	// Discard frees an answer that came too late.
	Discard(answer T)
}

// Inline is a call whose attempts are made on the goroutine of the caller, by what the
// service's policies say, as [Caller.RoundTrip] makes them. It has neither timer nor context
// of its own, where the policies set no timeout, and is used again: the next call may begin
// when the ticket of the one before is done. It is for one goroutine, but for Join.
type Inline[T any] struct{ run *inline[T] }

// inline is one call of an Inline.
type inline[T any] struct {
	course[T]

	of Attempts[T]
}

func (r *inline[T]) attempt(ctx context.Context, t *Ticket) (T, error) {
	return r.of.Attempt(ctx, t, t.beside)
}

func (r *inline[T]) giveUp() { r.of.GiveUp() }

func (r *inline[T]) discard(answer T) { r.of.Discard(answer) }

// Begin readies it for a call. From then on Join may be called.
func (i *Inline[T]) Begin() {
	if r := i.run; r == nil || r.guarded {
		i.run = &inline[T]{} // an alarm may still ring for the one before
	} else {
		r.course = course[T]{} // its locks are not held: the call is over
	}
	i.run.lazy = true
}

// Do makes a call. It ends when the timeout of the service's policies has passed, if there is
// one: the context of the attempts has ended then.
func (i *Inline[T]) Do(ctx context.Context, c *Caller, op Op, of Attempts[T]) (T, error) {
	r := i.run
	r.of = of
	r.set(c, c.target(&op), op, r)
	r.within(ctx)
	r.guarded = !r.limit.IsZero()
	answer, err := r.do(ctx)
	if l := r.lap; l != nil && l.left != nil {
		r.guarded = true
		<-l.left // it was ended, or has won
	}
	if expired := r.expired.Load(); err != nil && expired && !errors.Is(err, context.DeadlineExceeded) {
		err = r.tooLate(err) // it expired between two attempts
	}
	return answer, err
}

func (r *inline[T]) tooLate(err error) error {
	if !r.sent.Load() {
		return r.unsent(err, "service %q: no connection for %s", r.op.Service, r.op.Name)
	}
	return &Failed{Err: errors.Join(err, context.DeadlineExceeded), Failure: resilience.Failure{Sent: true, Timeout: true}}
}

// Join has a second attempt made beside the first, where that takes unusually long and the
// policies allow it. It is called now and then, between Begin and the return of Do, on any
// goroutine.
func (i *Inline[T]) Join(now time.Time) {
	r := i.run
	r.mu.Lock()
	var second context.Context
	if l := r.lap; l != nil && !r.over {
		second = l.starts(now)
	}
	l := r.lap
	r.mu.Unlock()
	if second != nil {
		go l.beside(second)
	}
}

// TimeLeft is what the header [DeadlineHeader] of an attempt says; "" when there is none.
func (i *Inline[T]) TimeLeft(ctx context.Context) string {
	var tell time.Time
	if i.run.target.Told {
		tell = i.run.limit
	}
	return carry.TimeLeft(ctx, tell)
}

// Answered tells what an HTTP answer says of its instance: its status, and whether it has the
// field Retry-After. It is called by the attempt that got it.
func (t *Ticket) Answered(status int, retryAfter bool) {
	t.outcome = link.OutcomeOf(status, retryAfter)
}
