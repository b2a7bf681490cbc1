package resilience

import (
	"cmp"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/problem"
)

// ErrOpen is what a call satisfies with errors.Is that a [Breaker] refused: too many
// of the latest calls to that target failed.
var ErrOpen = problem.New(problem.Unavailable, "the breaker is open: too many of the latest calls failed")

// BreakerSettings say when a target is left alone. The zero value means
// [DefaultBreaker].
type BreakerSettings struct {
	Window    time.Duration `yaml:"window"`     // the time that is looked back on, 10 ms to 1 h; 0 means 10 s
	MinCalls  int           `yaml:"min_calls"`  // fewer calls within Window judge nothing; 0 means 20
	Failures  Share         `yaml:"failures"`   // share of failed calls from which on it opens; 0 means 50 %
	SlowCalls Share         `yaml:"slow_calls"` // share of slow calls from which on it opens; 0: slowness does not count
	SlowAfter time.Duration `yaml:"slow_after"` // a call that takes this long or longer is slow; 0 means 1 s
	Open      time.Duration `yaml:"open"`       // how long calls are refused before it is tried again; 0 means 5 s
	Probes    int           `yaml:"probes"`     // calls let through then, all of which must succeed to close it; 0 means 3
	FailOpen  bool          `yaml:"fail_open"`  // where the breakers of all instances refuse, go ahead all the same, see [Breaker.Force]
}

// DefaultBreaker opens for five seconds when half of at least 20 calls within ten
// seconds failed.
var DefaultBreaker = BreakerSettings{
	Window: 10 * time.Second, MinCalls: 20, Failures: 0.5, SlowAfter: time.Second, Open: 5 * time.Second, Probes: 3,
}

// BreakerState is what a [Breaker] does with calls.
type BreakerState uint8

// The states of a breaker.
const (
	Closed   BreakerState = iota // calls go through
	Open                         // calls are refused
	HalfOpen                     // a few go through to see whether the target is back
)

// String returns "closed", "open" or "half-open".
func (s BreakerState) String() string {
	switch s {
	case Closed:
		return "closed"
	case Open:
		return "open"
	}
	return "half-open"
}

// MarshalText writes the state as String does.
func (s BreakerState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (s *BreakerState) UnmarshalText(text []byte) error {
	for _, state := range []BreakerState{Closed, Open, HalfOpen} {
		if state.String() == string(text) {
			*s = state
			return nil
		}
	}
	return fmt.Errorf("breaker state %.40q is not one of closed, open, half-open", text)
}

// Breaker stops calls to a target that fails most of them. It counts over time, not
// over a number of calls. Its state changes only when it is asked or told something:
// an open one becomes half-open with the first call after its time. The zero value has
// the default settings; a nil *Breaker lets everything through. Safe for concurrent
// use. (The pattern is Nygard's, "Release It!", 2007.)
type Breaker struct {
	mu       sync.Mutex
	settings BreakerSettings
	state    BreakerState
	era      uint32 // counts changes of state; a permit of an earlier era says nothing about this one
	since    time.Time
	window   rolling // of the closed state; kept while open
	trying   int     // probes in flight
	good     int     // probes that succeeded
	opened   uint64
	refused  uint64
}

// NewBreaker returns a closed breaker with these settings.
func NewBreaker(s BreakerSettings) *Breaker { return &Breaker{settings: s} }

// Set changes the settings. The state stays; what was counted stays unless the
// window is another.
func (b *Breaker) Set(s BreakerSettings) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.filled().Window != b.settings.filled().Window {
		b.window.clear()
	}
	b.settings = s
}

// Permit is the right to make one call. Exactly one of Done and Ignore ends it, once.
// The zero Permit belongs to no breaker.
type Permit struct {
	breaker *Breaker
	began   time.Time
	era     uint32
}

// Allow returns a permit for one call, or ErrOpen.
func (b *Breaker) Allow(now time.Time) (Permit, error) {
	if b == nil {
		return Permit{}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != Closed {
		s := b.settings.filled()
		// a half-open one whose probes never said a word hands out new ones
		if waited := now.Sub(b.since) >= s.Open; waited && (b.state == Open || b.trying+b.good >= s.Probes) {
			b.enter(HalfOpen, now)
		}
		if b.state == Open || b.trying+b.good >= s.Probes {
			b.refused++
			return Permit{}, ErrOpen
		}
		b.trying++
	}
	return Permit{b, now, b.era}, nil
}

// Force returns a permit whatever the state. It is for the caller that would have
// nobody left to call and prefers trying to refusing (fail-open). An open breaker
// becomes half-open by it, so that what it brings counts.
func (b *Breaker) Force(now time.Time) Permit {
	if b == nil {
		return Permit{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state == Open {
		b.enter(HalfOpen, now)
	}
	if b.state == HalfOpen {
		b.trying++
	}
	return Permit{b, now, b.era}
}

// From returns the permit of a call that began only now: what it had to wait for before,
// such as a place, is none of the target's slowness.
func (p Permit) From(now time.Time) Permit {
	p.began = now
	return p
}

// Done tells how the call ended. failed means that the target is at fault. An answer
// that shed the call is none: end its permit by Ignore, else a busy target would be
// taken for a broken one.
func (p Permit) Done(now time.Time, failed bool) {
	b := p.breaker
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.era != b.era || b.state == Open { // it began under another state: its word is old
		return
	}
	s := b.settings.filled()
	slow := s.SlowCalls > 0 && now.Sub(p.began) >= s.SlowAfter
	if b.state == HalfOpen {
		b.trying--
		if failed || slow {
			b.enter(Open, now)
		} else if b.good++; b.good >= s.Probes {
			b.enter(Closed, now)
		}
		return
	}
	slice, sum := b.window.at(now, s.Window), &b.window.sum
	slice.calls++
	sum.calls++
	if failed {
		slice.bad++
		sum.bad++
	}
	if slow {
		slice.slow++
		sum.slow++
	}
	reached := func(n uint32, share Share) bool {
		return share > 0 && n > 0 && float64(n) >= float64(share)*float64(sum.calls)
	}
	if int(sum.calls) >= s.MinCalls && (reached(sum.bad, s.Failures) || reached(sum.slow, s.SlowCalls)) {
		b.enter(Open, now)
	}
}

// Ignore ends a call that says nothing about the target: it was shed, or its caller
// gave up early.
func (p Permit) Ignore() {
	b := p.breaker
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.era == b.era && b.state == HalfOpen {
		b.trying--
	}
}

// enter changes the state; b.mu is held.
func (b *Breaker) enter(state BreakerState, now time.Time) {
	if state == Open {
		b.opened++
	}
	if state == Closed {
		b.window.clear()
	}
	b.state, b.since, b.trying, b.good = state, now, 0, 0
	b.era++
}

// BreakerStats tell how a breaker stands.
type BreakerStats struct {
	State   BreakerState  `json:"state"`
	Calls   uint64        `json:"calls"` // within the window; while not closed, those that opened it
	Failed  uint64        `json:"failed"`
	Slow    uint64        `json:"slow"`
	Left    time.Duration `json:"left"`    // until an open one may be tried again
	Opened  uint64        `json:"opened"`  // times, since the start
	Refused uint64        `json:"refused"` // calls, since the start
}

// Stats returns how the breaker stands; a nil Breaker is closed.
func (b *Breaker) Stats(now time.Time) BreakerStats {
	if b == nil {
		return BreakerStats{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.settings.filled()
	out := BreakerStats{State: b.state, Opened: b.opened, Refused: b.refused}
	if b.state == Closed {
		b.window.at(now, s.Window)
	}
	if b.state == Open {
		out.Left = max(0, s.Open-now.Sub(b.since))
	}
	sum := b.window.sum
	out.Calls, out.Failed, out.Slow = uint64(sum.calls), uint64(sum.bad), uint64(sum.slow)
	return out
}

func (s BreakerSettings) filled() BreakerSettings {
	d := DefaultBreaker
	s.Window, s.SlowAfter, s.Open = cmp.Or(s.Window, d.Window), cmp.Or(s.SlowAfter, d.SlowAfter), cmp.Or(s.Open, d.Open)
	s.MinCalls, s.Probes, s.Failures = cmp.Or(s.MinCalls, d.MinCalls), cmp.Or(s.Probes, d.Probes), cmp.Or(s.Failures, d.Failures)
	return s
}
