// Package resilience holds the policies of a call as pure decisions, written once
// for HTTP and gRPC alike.
package resilience

import (
	"math/rand/v2"
	"time"
)

// Retry says how often and when a failed attempt is repeated. The zero value
// means [DefaultRetry].
type Retry struct {
	Attempts int           // attempts in all, the first included; 1 means no retry. Those that reached nobody count apart, see call.Config.Wait
	Backoff  time.Duration // pause before the second attempt at an instance already tried; doubles, with full jitter
}

// DefaultRetry makes three attempts. It is modest on purpose: retries help when
// one instance dies and harm when all are slow.
var DefaultRetry = Retry{Attempts: 3, Backoff: 20 * time.Millisecond}

// Failure is what is known of an attempt that failed.
type Failure struct {
	Sent     bool // something of the request may have reached the peer
	Answered bool // the peer itself gave the answer: the failure is its word, not the network's
	Timeout  bool // the caller's deadline passed or it gave up
	Final    bool // the request itself is at fault, or its token: no instance could answer it
}

// Again reports whether the attempt numbered n (from 1) may be followed by
// another: only where nothing was sent or the call is idempotent, never after the
// peer answered or the caller's time is up.
func (r Retry) Again(n int, idempotent bool, f Failure) bool {
	if r == (Retry{}) {
		r = DefaultRetry
	}
	return n < r.Attempts && !f.Answered && !f.Timeout && !f.Final && (!f.Sent || idempotent)
}

// Pause returns how long to wait before attempt n+1 when it goes to an instance
// that failed already: full jitter over a doubling bound.
func (r Retry) Pause(n int) time.Duration {
	if r == (Retry{}) {
		r = DefaultRetry
	}
	bound := r.Backoff << max(0, min(n-1, 4))
	if bound <= 0 {
		return 0
	}
	return rand.N(bound)
}
