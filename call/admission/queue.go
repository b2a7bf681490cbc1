package admission

import (
	"cmp"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// Queue is where calls wait for room at a server: bounded in number and in time, the
// more important first. It is a decision only: whoever holds it tells the time and ends
// a wait at [Waiting.Until]. The zero value works with the defaults below. Not safe for
// concurrent use.
//
// How long a call may wait depends on whether its class keeps up. As long as the classes
// that go before it, its own included, were without anybody waiting once within Interval,
// it may wait for Interval; else there is a standing queue, and it may wait for Target
// only, the newest first: who came last has the most time left (CoDel, Nichols and
// Jacobson, 2012, RFC 8289; as a queue for requests: Maurer, Fail at Scale, ACM Queue
// 2015). Nobody waits past the caller's deadline.
//
// [resilience.Critical] is to get through whatever else there is, also when a limit has
// just been lowered and lets in less than is carried out. For it both bounds are another:
// ten times Interval, and Interval in a queue that has stood as long as that. What is left of the
// caller's time is for the work itself: half of it, or two Intervals when that is less.
type Queue[T any] struct {
	Max      int           // who wait at most, in all classes; 0 means 1000
	Target   time.Duration // bound of a wait in a standing queue; 0 means 5 ms
	Interval time.Duration // bound of a wait else; 0 means 100 ms

	classes [resilience.Priorities]class[T]
	busy    [resilience.Priorities]time.Time // since when somebody waits in this class or one before it; zero: nobody
}

// Waiting is one call that waits.
type Waiting[T any] struct {
	Value    T
	Priority resilience.Priority
	Since    time.Time
	Until    time.Time // when the wait is over at the latest
	Deadline time.Time // the caller's; zero: none

	next, prev *Waiting[T]
	queued     bool
	begun      bool // or evicted: the wait has ended, and was counted
}

type class[T any] struct {
	oldest, newest *Waiting[T]
	n              int
}

// Push has a call wait, until its deadline at most (zero: it has none). When the queue is
// full, the oldest of the least important makes room for a more important one and is
// returned as evicted; when there is none such, w is nil.
func (q *Queue[T]) Push(now time.Time, value T, p resilience.Priority, deadline time.Time) (w, evicted *Waiting[T]) {
	p = p.Class()
	if q.Len() >= cmp.Or(q.Max, 1000) {
		for c := resilience.Low; c > p && evicted == nil; c-- {
			evicted = q.classes[c].oldest
		}
		if evicted == nil {
			return nil, nil
		}
		q.Remove(evicted)
	}
	w = &Waiting[T]{Value: value, Priority: p, Since: now, Until: now.Add(q.patience(now, p)), Deadline: deadline, queued: true}
	if last := q.last(now, p, deadline); !last.IsZero() && last.Before(w.Until) {
		w.Until = last
	}
	c := &q.classes[p]
	w.prev = c.newest
	if c.newest != nil {
		c.newest.next = w
	} else {
		c.oldest = w
	}
	c.newest = w
	c.n++
	for ; p <= resilience.Low; p++ {
		if q.busy[p].IsZero() {
			q.busy[p] = now
		}
	}
	return w, evicted
}

// Pop takes out the one to go next, nil when nobody waits. Those whose wait is over by
// now are taken out on the way and not returned.
func (q *Queue[T]) Pop(now time.Time) *Waiting[T] {
	for p := range resilience.Priority(resilience.Priorities) {
		for c := &q.classes[p]; c.n > 0; {
			w := c.oldest
			if q.standing(now, p) {
				w = c.newest
			}
			q.Remove(w)
			if now.Before(w.Until) {
				return w
			}
		}
	}
	return nil
}

// Remove takes out one whose wait is over. It reports whether it still waited.
func (q *Queue[T]) Remove(w *Waiting[T]) bool {
	if !w.queued {
		return false
	}
	c := &q.classes[w.Priority]
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		c.oldest = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	} else {
		c.newest = w.prev
	}
	w.next, w.prev, w.queued = nil, nil, false
	c.n--
	before := 0
	for p := range resilience.Priority(resilience.Priorities) {
		if before += q.classes[p].n; before == 0 {
			q.busy[p] = time.Time{}
		}
	}
	return true
}

// Len returns how many wait.
func (q *Queue[T]) Len() int {
	n := 0
	for p := range q.classes {
		n += q.classes[p].n
	}
	return n
}

// urgent reports whether somebody waits who is to get through whatever else there is.
func (q *Queue[T]) urgent() bool { return q.classes[resilience.Critical].n > 0 }

func (q *Queue[T]) interval() time.Duration {
	if q.Interval == 0 {
		return 100 * time.Millisecond
	}
	return q.Interval
}

// standing reports whether the queue of a class and those before it is a standing one.
func (q *Queue[T]) standing(now time.Time, p resilience.Priority) bool {
	return !q.busy[p].IsZero() && now.Sub(q.busy[p]) > q.usual(p)
}

// usual is how long a class may wait, and its queue stand, before that is a standing one.
func (q *Queue[T]) usual(p resilience.Priority) time.Duration {
	if p == resilience.Critical {
		return 10 * q.interval()
	}
	return q.interval()
}

func (q *Queue[T]) patience(now time.Time, p resilience.Priority) time.Duration {
	switch {
	case !q.standing(now, p):
		return q.usual(p)
	case p == resilience.Critical:
		return q.interval()
	case q.Target == 0:
		return 5 * time.Millisecond
	}
	return q.Target
}

// last is when a wait makes no sense any more; zero when it always does. Who waits for
// as long as Critical may would begin its work with no time left for it.
func (q *Queue[T]) last(now time.Time, p resilience.Priority, deadline time.Time) time.Time {
	if p != resilience.Critical || deadline.IsZero() {
		return deadline
	}
	return deadline.Add(-min(deadline.Sub(now)/2, 2*q.interval()))
}
