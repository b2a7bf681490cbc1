package resilience

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/problem"
)

// Target is what a caller remembers of one service, or one route of it: the policies
// that [Settings] choose, put together. The zero value has the default settings. Safe
// for concurrent use.
type Target struct {
	settings atomic.Pointer[Settings]
	own      Budget
	budget   atomic.Pointer[Budget] // nil: own
	breaker  atomic.Pointer[Breaker]
	bulkhead atomic.Pointer[Bulkhead]
	hedge    atomic.Pointer[Hedge]
	shared   atomic.Pointer[shared]
}

// NewTarget returns a target with these settings; they are not validated.
func NewTarget(s Settings) *Target {
	t := &Target{}
	t.Set(s)
	return t
}

// Settings returns the settings in use; they may not be changed.
func (t *Target) Settings() Settings {
	if s := t.settings.Load(); s != nil {
		return *s
	}
	return Settings{}
}

// Budget returns the target's budget.
func (t *Target) Budget() *Budget {
	if b := t.budget.Load(); b != nil {
		return b
	}
	return &t.own
}

// Breaker returns the target's breaker, nil when none is chosen.
func (t *Target) Breaker() *Breaker { return t.breaker.Load() }

// Bulkhead returns the target's bulkhead, nil when none is chosen.
func (t *Target) Bulkhead() *Bulkhead { return t.bulkhead.Load() }

// Hedge returns the target's hedge, nil when none is chosen.
func (t *Target) Hedge() *Hedge { return t.hedge.Load() }

// Do makes one call: within the timeout and a place of the bulkhead, past the breaker,
// and again where [Retry] and the budget allow it. idempotent says that making it twice
// does no harm. What attempt's error means is read by [FailureOf]. The error is
// attempt's own, ErrOpen, ErrFull or that of ctx. A hedge and a fallback are not
// part of Do, as they need the answer's type: see [Race] and [Fallback].
func (t *Target) Do(ctx context.Context, idempotent bool, attempt func(ctx context.Context) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s := t.settings.Load()
	if s == nil {
		s = &Settings{}
	}
	now := time.Now()
	if d := cmp.Or(s.Timeout, DefaultTimeout); d > 0 {
		until := now.Add(d)
		if at, has := ctx.Deadline(); !has || until.Before(at) {
			own := &deadline{Context: ctx, at: until}
			defer own.end()
			ctx = own
		}
	}
	bulkhead := t.bulkhead.Load()
	if bulkhead != nil {
		if !bulkhead.Try() {
			if err := bulkhead.acquire(ctx); err != nil {
				return err
			}
			now = time.Now() // a call is not slow for having waited here
		}
		defer bulkhead.Release()
	}
	budget := t.Budget()
	budget.Earn(now)
	breaker := t.breaker.Load()
	var last error
	for n := 1; ; n++ {
		err := try(ctx, now, breaker, s.Breaker, attempt)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrOpen) && last != nil:
			return fmt.Errorf("%w; the attempt before: %w", err, last)
		case errors.Is(err, ErrOpen):
			return err
		}
		last, now = err, time.Now()
		if s.Retry.Judge(now, n, idempotent, FailureOf(ctx, err), budget) != Repeat {
			return err
		}
		if !pause(ctx, s.Retry.Pause(n)) {
			return err
		}
		now = time.Now()
	}
}

// try makes one attempt past the breaker and tells it what came of it.
func try(ctx context.Context, now time.Time, b *Breaker, s *BreakerSettings, attempt func(context.Context) error) error {
	if b == nil {
		return attempt(ctx)
	}
	permit, err := b.Allow(now)
	if err != nil {
		if s == nil || !s.FailOpen {
			return err
		}
		permit = b.Force(now)
	}
	told := false
	defer func() {
		if !told { // it panicked
			permit.Ignore()
		}
	}()
	err = attempt(ctx)
	told = true
	switch now := time.Now(); {
	case err == nil:
		permit.Done(now, false)
	case Neutral(ctx, err):
		permit.Ignore()
	default:
		permit.Done(now, Degradable(err))
	}
	return err
}

// Neutral reports whether err says nothing about the target's health: it shed the call,
// or the caller gave the call up. (A call whose time was up does say something, also where
// ctx was cancelled for that cause.)
func Neutral(ctx context.Context, err error) bool {
	timeUp := ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	if !timeUp && (errors.Is(ctx.Err(), context.Canceled) || errors.Is(err, context.Canceled)) {
		return true
	}
	return FailureOf(ctx, err).Shed
}

// Known returns f, so that an error which embeds a Failure tells it to [FailureOf].
func (f Failure) Known() Failure { return f }

// FailureOf reads what is known of an attempt that failed. An error in err's tree with
// the method Known() Failure says it itself. Of others, a [problem.Code] that blames
// the request or the peer's own code counts as the peer's answer, resource_exhausted as
// shed, and anything else as sent, with nothing known of its effect.
func FailureOf(ctx context.Context, err error) Failure {
	f := Failure{Sent: true}
	var known interface{ Known() Failure }
	if errors.As(err, &known) {
		f = known.Known()
	} else {
		switch code := problem.CodeOf(err); code {
		case problem.ResourceExhausted:
			f.Answered, f.Shed = true, true
		case problem.Unavailable, problem.Unknown, problem.DeadlineExceeded, problem.Canceled:
		case problem.Internal: // that of an unknown error as well
			var told *problem.Error
			f.Answered = errors.As(err, &told)
		default:
			f.Answered = true
		}
	}
	f.Timeout = f.Timeout || ctx.Err() != nil
	return f
}

// pause waits and reports whether ctx is still going on.
func pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// TargetStats tell how the policies of one target stand; those not in use are nil, and
// those that are another target's are told by that one.
type TargetStats struct {
	Budget   BudgetStats    `json:"budget"`
	Breaker  *BreakerStats  `json:"breaker,omitempty"`
	Bulkhead *BulkheadStats `json:"bulkhead,omitempty"`
	Hedge    *HedgeStats    `json:"hedge,omitempty"`
}

// Stats returns how the policies stand.
func (t *Target) Stats(now time.Time) TargetStats {
	var out TargetStats
	var of shared
	if s := t.shared.Load(); s != nil {
		of = *s
	}
	if !of.budget {
		out.Budget = t.own.Stats(now)
	}
	if b := t.breaker.Load(); b != nil && !of.breaker {
		s := b.Stats(now)
		out.Breaker = &s
	}
	if b := t.bulkhead.Load(); b != nil && !of.bulkhead {
		s := b.Stats()
		out.Bulkhead = &s
	}
	if h := t.hedge.Load(); h != nil {
		s := h.Stats()
		out.Hedge = &s
	}
	return out
}

// String says in one line how the policies stand, such as
// "breaker open, 3.2s left; bulkhead 100/100, 4 waiting"; "" when there is nothing to say.
func (s TargetStats) String() string {
	text := ""
	say := func(format string, args ...any) {
		if text != "" {
			text += "; "
		}
		text += fmt.Sprintf(format, args...)
	}
	if b := s.Breaker; b != nil && b.State != Closed {
		say("breaker %s", b.State)
		if b.Left > 0 {
			text += fmt.Sprintf(", %s left", b.Left.Round(100*time.Millisecond))
		}
	}
	if b := s.Bulkhead; b != nil && b.InFlight > 0 {
		say("bulkhead %d/%d", b.InFlight, b.Max)
		if b.Waiting > 0 {
			text += fmt.Sprintf(", %d waiting", b.Waiting)
		}
	}
	if s.Budget.Denied > 0 {
		say("%d retries denied", s.Budget.Denied)
	}
	return text
}
