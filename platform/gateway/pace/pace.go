// Package pace says for how long a client is waited for that sends a body. A bound of each wait
// is not enough: who sends a byte in each would have its connection for hours. So there is one
// of all waits together, which grows with what came. The package has no clock: who reads tells
// it. Time in which nobody waits for the client, as an instance does not take what it sent, is
// not told, and so does not count.
package pace

import (
	"cmp"
	"time"
)

// Least is how slow a client may be at most. The zero value is the safe default.
type Least struct {
	// Rate is what has to come, in bytes a second, on average of all the time in which the
	// client was waited for. 0: 240; negative: none, a client may be as slow as it likes.
	Rate int64
	// From is for how long a client is waited for before its rate counts. 0: 5 s.
	From time.Duration
}

// What Least means by 0.
const (
	DefaultRate = 240
	DefaultFrom = 5 * time.Second
)

// Sender is one client that sends one body. It is for one goroutine at a time.
type Sender struct {
	rate   int64
	from   time.Duration
	sent   int64
	waited time.Duration
}

// Begin begins a body, of which sent bytes are here without a wait.
func (s *Sender) Begin(l Least, sent int) {
	*s = Sender{rate: cmp.Or(l.Rate, DefaultRate), from: cmp.Or(l.From, DefaultFrom), sent: int64(sent)}
}

// At has another rate hold from now on, for the whole body, as Least.Rate; 0 changes nothing.
func (s *Sender) At(rate int64) { s.rate = cmp.Or(rate, s.rate) }

// Waited notes a wait for the client, and how many bytes it brought.
func (s *Sender) Waited(d time.Duration, bytes int) {
	s.waited += max(0, d)
	s.sent += int64(max(0, bytes))
}

// Within returns how long the next wait may be: d, or what is left of the client's time where
// that is less, and at least a millisecond, in which is found what has come already.
func (s *Sender) Within(d time.Duration) time.Duration {
	if s.rate < 0 {
		return d
	}
	const forever = 1e9 // seconds, beyond any wait, and far from what a Duration holds
	earned := time.Duration(min(forever, float64(s.sent)/float64(s.rate)) * float64(time.Second))
	return min(d, max(time.Millisecond, max(s.from, earned)-s.waited))
}
