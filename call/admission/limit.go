package admission

import (
	"cmp"
	"math"
	"time"
)

// Limit finds out how many calls a server can have in flight before more of them only
// wait for one another, and says whether there is room for one more. It is a decision
// only: whoever holds it begins and ends calls and tells the time. The zero value works
// with the defaults below. Not safe for concurrent use.
//
// It is optimistic: in the absence of evidence it admits, so that a server whose calls
// wait for something else (a database, another service) takes any number of them. What
// it takes for evidence is that calls take long and the server falls behind: in one
// window (50 ms to 1 s) clearly more begin than end, or the limit itself keeps calls
// waiting, while the time that the queue inside needs, calls in flight by calls ended
// per second (Little's law), passes what is allowed. Then the limit becomes what can be ended in the time allowed.
//
// A cut is an experiment. If fewer calls in flight end fewer calls a second in the same
// proportion, nothing was waiting for another call: the work itself has become slower.
// Then the limit goes back and the new time counts as usual.
//
// Sources: TCP Vegas (Brakmo and Peterson, 1995) and Netflix concurrency-limits for
// inferring a queue from latency; BBR (Cardwell et al., 2016) for rate times delay as
// the bound; proportional rate reduction (RFC 6937) for the way down; Bronson et al.,
// Metastable Failures in Distributed Systems (HotOS 2021) for why it has to be.
type Limit struct {
	Min     int // never fewer; 0 means 4
	Initial int // where it begins, and where it goes back to when nothing is wrong; 0 means 1000
	Max     int // never more; 0 means 10000

	// Slack is how long calls may take, however short their work is, when the server has
	// more to do than it can. 0 means 100 ms, or a quarter of the time callers wait when
	// that is less. They may always take twice their usual time.
	Slack time.Duration

	value    int // 0: not yet asked
	inFlight int
	drain    int  // above value while calls in flight come down to it
	ended    int  // calls on the way down
	stepped  bool // the last of them was followed by none

	window  window
	usual   time.Duration // what a call takes while the server keeps up
	was     time.Duration // before a trial's verdict changed it; 0: none did
	recent  time.Duration // what the last ones took
	last    time.Time     // when one ended
	runs    int           // windows in a row in which the server fell behind
	left    time.Duration // what callers still wait, on average, when a call begins
	lowest  time.Duration // of the means of the calm windows since calm was 0
	calm    int           // windows that kept up, one after the other
	learnt  int           // so many of them were last enough to learn from; doubles from 0
	slowAt  float64       // calls in flight when calls were first found slow; 0: they are not
	trial   trial
	hold    time.Time // no cut before: the last one did harm
	holdFor time.Duration
}

// Work is what a call that ended says of the server.
type Work struct {
	Took    time.Duration // from Begin to the answer
	Left    time.Duration // what its caller was still waiting for at Begin; 0 means not known
	Beside  int           // calls in flight when it began, itself included; 0 means not known
	Other   bool          // Took says nothing: it failed, was given up, or became a stream
	Expired bool          // its caller's time was up before it ended
}

type window struct {
	began        time.Time
	at           time.Time // of the last change
	area         float64   // calls in flight by seconds
	starts, ends int
	counted      int
	sum          time.Duration
	beside       int // sum
	expired      int
	waited       int // calls that found no room
}

const (
	leastWindow  = 20 * time.Millisecond
	shortWindow  = 100 * time.Millisecond
	longWindow   = time.Second
	windowCalls  = 20 // a window has at least so many,
	fewCalls     = 10 // or so many when it is long
	leastSlack   = 10 * time.Millisecond
	calmWindows  = 50 // after so many the usual time may have become longer
	firstHold    = time.Second
	longestHold  = 30 * time.Second
	deadlineUsed = 0.6 // of callers' time at most goes into calls of a server that is behind
)

// Room reports whether one more call may begin.
func (l *Limit) Room() bool { return l.inFlight < max(l.Value(), l.drain) }

// Value returns the limit, in calls in flight.
func (l *Limit) Value() int {
	if l.value == 0 {
		l.value = l.initial()
	}
	return l.value
}

// InFlight returns how many calls have begun and not ended.
func (l *Limit) InFlight() int { return l.inFlight }

// Usual returns what a call takes while the server keeps up, 0 before that is known.
func (l *Limit) Usual() time.Duration { return l.usual }

func (l *Limit) initial() int { return min(max(cmp.Or(l.Initial, 1000), l.min()), l.max()) }

func (l *Limit) min() int { return max(1, cmp.Or(l.Min, 4)) }
func (l *Limit) max() int { return max(l.min(), cmp.Or(l.Max, 10000)) }

// Begin counts a call that begins, whether there is room or not.
func (l *Limit) Begin(now time.Time) {
	l.pass(now)
	l.inFlight++
	l.window.starts++
}

// Waited notes that a call found no room.
func (l *Limit) Waited(now time.Time) {
	l.pass(now)
	l.window.waited++
}

// End counts a call that ended. The limit changes here only.
func (l *Limit) End(now time.Time, w Work) {
	l.pass(now)
	l.inFlight = max(0, l.inFlight-1)
	l.descend(now)
	if now.Sub(l.last) > max(2*l.recent, l.span()) { // after a standstill a window would compare what came in it with nothing that ended
		l.restart(now)
	}
	l.last = now
	v := &l.window
	v.ends++
	if !w.Other {
		v.counted++
		v.sum += w.Took
		v.beside += w.Beside
		l.recent += (w.Took - l.recent) / 16
	}
	if w.Expired {
		v.expired++
	}
	if w.Left > 0 {
		if l.left == 0 {
			l.left = w.Left
		}
		l.left += (w.Left - l.left) / 32
	}
	if took := now.Sub(v.began); v.ends >= windowCalls && took >= l.span() || v.ends >= fewCalls && took >= longWindow {
		l.judge(now)
		l.restart(now)
	}
}

// descend lets calls in flight come down to a limit that was lowered: every second one
// that ends is followed by another, so that nobody starves on the way.
func (l *Limit) descend(now time.Time) {
	l.stepped = false
	if l.inFlight > l.value {
		if l.ended++; l.ended%2 == 0 && l.drain > 0 {
			l.drain--
			l.stepped = true
		}
		return
	}
	l.drain = 0
	switch t := &l.trial; {
	case t.stage == noTrial || t.settled:
	case t.from.IsZero():
		t.from = now.Add(t.lag)
	case now.After(t.from):
		t.settled = true
		l.restart(now)
	}
}

// linger puts off the step that the last End took on the way down, so that one more may
// begin: the most important calls alone can be more than half of what ends. It does not
// while calls take more than half of the time that callers wait. It reports whether it did.
func (l *Limit) linger() bool {
	if !l.stepped || l.left > 0 && float64(l.inFlight) > l.trial.before.rate*l.left.Seconds()/2 {
		return false
	}
	l.stepped = false
	l.drain++
	return true
}

// pass lets time pass up to now.
func (l *Limit) pass(now time.Time) {
	v := &l.window
	if v.began.IsZero() || now.Sub(v.began) > 10*longWindow { // a window over a lull says nothing
		l.restart(now)
		return
	}
	if d := now.Sub(v.at); d > 0 {
		v.area += float64(l.inFlight) * d.Seconds()
		v.at = now
	}
}

// span is how long a window is: what a call takes, so that it has no half of a wave of
// calls, and soon enough for those who wait.
func (l *Limit) span() time.Duration {
	least := shortWindow
	if l.value >= l.initial() {
		least /= 2
	}
	if l.left > 0 {
		least = min(max(l.left/4, leastWindow), shortWindow)
	}
	return min(max(least, l.usual, l.recent), longWindow)
}

// grew reports whether more calls began than ended, by more than chance: three standard
// deviations.
func (v *window) grew() bool {
	return float64(v.starts-v.ends) > 3*math.Sqrt(float64(v.starts+v.ends))
}

func (l *Limit) restart(now time.Time) {
	l.window = window{began: now, at: now}
}
