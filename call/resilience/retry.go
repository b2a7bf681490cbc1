// Package resilience holds the policies of a call as pure decisions, written once
// for HTTP and gRPC alike.
//
// Each is a small type whose zero value works, with no goroutine of its own, told the
// time where it decides: [Retry] and [Budget], [Breaker], [Bulkhead], [Hedge],
// [Fallback]. [Target] puts those of one target together as [Settings] say.
package resilience

import (
	"cmp"
	"math/rand/v2"
	"time"
)

// Retry says how often and when a failed attempt is repeated. The zero value
// means [DefaultRetry].
type Retry struct {
	Attempts int           `yaml:"attempts"` // attempts in all, the first included; 0 means 3, 1 no retry. Those that reached nobody count apart, see call.Config.Wait
	Backoff  time.Duration `yaml:"backoff"`  // pause before the second attempt at an instance already tried; doubles, with full jitter; 0 means 20 ms, negative none
}

// DefaultRetry makes three attempts. It is modest on purpose: retries help when
// one instance dies and harm when all are slow. How many calls are repeated at all is
// bounded by the target's [Budget].
var DefaultRetry = Retry{Attempts: 3, Backoff: 20 * time.Millisecond}

// Failure is what is known of an attempt that failed.
type Failure struct {
	Sent     bool // something of the request may have reached the peer
	Answered bool // the peer itself gave the answer: the failure is its word, not the network's
	Shed     bool // the peer refused for want of room: it is up, and would not gain by a second attempt
	Timeout  bool // the caller's deadline passed or it gave up
	Final    bool // the request itself is at fault, or its token: no instance could answer it
}

// Verdict says whether a failed attempt is repeated, and if not, why.
type Verdict uint8

// The verdicts.
const (
	Repeat     Verdict = iota
	Pointless          // the peer answered, or no instance could: repeating is not for this hop
	TooLate            // the caller's time is up
	Unsafe             // it may have been carried out and is not idempotent
	Enough             // the attempts are used up
	OverBudget         // the target's budget is used up
)

// String returns a word for logs and metrics, such as "over_budget".
func (v Verdict) String() string {
	words := [...]string{"repeat", "pointless", "too_late", "unsafe", "enough", "over_budget"}
	return words[min(int(v), len(words)-1)]
}

// Judge says whether the attempt numbered n (from 1) is followed by another: only
// where nothing was sent or the call is idempotent, never after the peer answered or
// the caller's time is up, and within the budget, of which a repetition takes its part.
// A nil budget has no bound.
func (r Retry) Judge(now time.Time, n int, idempotent bool, f Failure, b *Budget) Verdict {
	switch r = r.filled(); {
	case f.Timeout:
		return TooLate
	case f.Answered || f.Shed || f.Final:
		return Pointless
	case f.Sent && !idempotent:
		return Unsafe
	case n >= r.Attempts:
		return Enough
	case !b.Spend(now):
		return OverBudget
	}
	return Repeat
}

// Again is [Retry.Judge] without a budget.
func (r Retry) Again(n int, idempotent bool, f Failure) bool {
	return r.Judge(time.Time{}, n, idempotent, f, nil) == Repeat
}

// Pause returns how long to wait before attempt n+1 when it goes to an instance
// that failed already: full jitter over a doubling bound.
func (r Retry) Pause(n int) time.Duration {
	bound := r.filled().Backoff << max(0, min(n-1, 4))
	if bound <= 0 {
		return 0
	}
	return rand.N(bound)
}

func (r Retry) filled() Retry {
	r.Attempts, r.Backoff = cmp.Or(r.Attempts, DefaultRetry.Attempts), cmp.Or(r.Backoff, DefaultRetry.Backoff)
	return r
}
