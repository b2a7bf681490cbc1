package admission

import (
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// Gate is the door of a server: a [Limit] on the calls in flight, and before it a
// [Queue] for those that may wait a little. It is a decision only. The zero value works
// with the defaults. Not safe for concurrent use.
type Gate[T any] struct {
	Limit Limit
	Queue Queue[T]

	admitted [resilience.Priorities]uint64
	shed     [resilience.Priorities][ShedReasons]uint64
	lastShed time.Time
}

// ShedReason is why a call was turned away.
type ShedReason uint8

// The reasons. None of these calls was carried out in any part.
const (
	ShedQueueFull  ShedReason = iota // too many waited already
	ShedWaited                       // there was no room within the time it may wait
	ShedTooLate                      // its caller's deadline passed before there was room
	ShedCallerGone                   // its caller gave up while it waited
)

// ShedReasons is the number of reasons.
const ShedReasons = 4

// String returns the reason as metrics name it.
func (r ShedReason) String() string {
	return [...]string{"queue_full", "waited", "too_late", "caller_gone"}[min(r, ShedCallerGone)]
}

// Decision is what a Gate says of a call that arrives: it begins, or it waits, or it is
// turned away.
type Decision[T any] struct {
	Begin   bool
	Waiting *Waiting[T] // nil: it does not wait
	Reason  ShedReason  // why it is turned away, when it neither begins nor waits
	Evicted *Waiting[T] // one that waits no more, to be told [ShedQueueFull]
}

// Arrive decides on a call that arrives; deadline is its caller's, zero when it has
// none. A call that begins is ended by [Gate.End]; one that waits begins when End says
// so, or is given up by [Gate.GiveUp].
func (g *Gate[T]) Arrive(now time.Time, value T, p resilience.Priority, deadline time.Time) Decision[T] {
	p = p.Class()
	if !deadline.IsZero() && !now.Before(deadline) {
		g.turnAway(now, p, ShedTooLate)
		return Decision[T]{Reason: ShedTooLate}
	}
	if g.Open() {
		g.begin(now, p)
		return Decision[T]{Begin: true}
	}
	g.Limit.Waited(now)
	w, evicted := g.Queue.Push(now, value, p, deadline)
	switch {
	case w == nil:
		g.turnAway(now, p, ShedQueueFull)
	case evicted != nil:
		evicted.begun = true // is over: GiveUp has nothing to add
		g.turnAway(now, evicted.Priority, ShedQueueFull)
	}
	return Decision[T]{Waiting: w, Evicted: evicted, Reason: ShedQueueFull}
}

// Open reports whether a call that arrives in time begins at once.
func (g *Gate[T]) Open() bool { return g.Limit.Room() && g.Queue.Len() == 0 }

func (g *Gate[T]) begin(now time.Time, p resilience.Priority) {
	g.admitted[p]++
	g.Limit.Begin(now)
}

func (g *Gate[T]) turnAway(now time.Time, p resilience.Priority, reason ShedReason) {
	g.shed[p][reason]++
	g.lastShed = now
}

// End ends a call that began, and has those begin that now may.
func (g *Gate[T]) End(now time.Time, w Work, begin func(T)) {
	g.Limit.End(now, w)
	for g.Limit.Room() || g.Queue.urgent() && g.Limit.linger() {
		next := g.Queue.Pop(now)
		if next == nil {
			return
		}
		next.begun = true
		g.begin(now, next.Priority)
		begin(next.Value)
	}
}

// GiveUp ends the wait of a call, at its [Waiting.Until] or, when gone is true, because
// its caller left. It reports why the call counts as turned away; ok is false when it
// was not waiting any more but began, and is to be ended like any other, or was evicted.
func (g *Gate[T]) GiveUp(now time.Time, w *Waiting[T], gone bool) (reason ShedReason, ok bool) {
	if w.begun {
		return 0, false
	}
	g.Queue.Remove(w)
	reason = ShedWaited
	switch {
	case !w.Deadline.IsZero() && !now.Before(w.Deadline):
		reason = ShedTooLate
	case gone:
		reason = ShedCallerGone
	}
	g.turnAway(now, w.Priority, reason)
	return reason, true
}

// GateStats tell how a Gate stands. Counts are since its start, indexed by [resilience.Priority]
// and by [ShedReason].
type GateStats struct {
	Limit    int
	InFlight int
	Waiting  int
	Usual    time.Duration
	LastShed time.Time // when a call was last turned away; zero: none was
	Admitted [resilience.Priorities]uint64
	Shed     [resilience.Priorities][ShedReasons]uint64
}

// Stats returns how the gate stands.
func (g *Gate[T]) Stats() GateStats {
	return GateStats{
		Limit: g.Limit.Value(), InFlight: g.Limit.InFlight(), Waiting: g.Queue.Len(), Usual: g.Limit.Usual(),
		LastShed: g.lastShed, Admitted: g.admitted, Shed: g.shed,
	}
}
