package admission

import (
	"cmp"
	"math"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// Pressure decides what a program lets in that passes calls on, such as an edge. How long
// its calls take tells of those it calls, and a [Limit] on them would turn everybody away
// because one of these is slow. What tells of the program itself is how long its work
// waits for a processor: time in the queue rather than time of the answer, as in DAGOR (Zhou et
// al., Overload Control for Scaling WeChat Microservices, SoCC 2018). It holds nothing
// while a call is carried out, so that streams and uploads take no room.
//
// It is a decision only: whoever holds it tells it, each [Pressure.Next], what was seen. While the
// program is behind, it lets in as much as it got done last, the more important first, of those
// who have not waited longer than a bound; when the row is not full, a little more each time, until
// all get in. The rate keeps room for the more important, the bound keeps the row short while the
// rate is being found. The zero value lets all in. Not safe for concurrent use.
type Pressure struct {
	Target  time.Duration // of the mean wait for a processor; 0 means 20 ms
	Waiting float64       // and so many wait for each processor; 0 means 32

	behind int     // ticks in a row
	can    float64 // calls a second that it can do, as far as is known; 0: all get in
	most   float64 // calls a second to let in; 0: all
	idle   int     // ticks in a row in which less came than may
	calm   int     // and in which nothing waited at their ends
	done   float64 // calls a second that were done of late, while all got in
	peak   float64 // the most of that, of late
	first  float64 // calls a second that were done when all got in last
	cost   float64 // of turning a call away, of what passing one on costs, as it shows
	low    int     // ticks in a row in which it could do less than half of that
	rest   int     // ticks in which all get in whatever is seen, as turning away was in vain
	vain   int     // the last such rest
}

// PressureTick is how often a Pressure is told what was seen, as a rule.
const PressureTick = 100 * time.Millisecond

const (
	late      = 0.2  // the weight of the last tick in what is of late
	faded     = 0.99 // what is left of a peak after a tick
	leastMost = 10   // calls a second that are let in always
	// What turning a call away costs shows in how much less is done. Where that is more
	// than half of what passing it on costs, as behind a TLS handshake, all get in. Where it is less, but
	// for all that come more than can be done, a quarter of that is let in all the same.
	tooDear = 0.5
	floor   = 4
	longest = 300 // ticks of a rest

	crowd   = 4                    // so many work for each processor is no row, and a row is full when one of so many calls is late
	bound   = 4                    // so many calls' time may a normal call have waited
	leastIn = 2 * time.Millisecond // and so much in any case: a [Row] knows it no better
	jump    = 1.3                  // so much more may have ended in a tick for it to be believed: after a stall what it held up ends at once
	probe   = 1.05                 // by how much more is let in when the row was not full
	regain  = 1.1                  // and when hardly anybody waited
	retry   = 20                   // ticks after which it may be more again
	opening = 5                    // ticks in which less came than may, and all get in again
)

// patience is how much of the bound is had by a call of each priority: the more important pass by a
// row in which the others have waited too long.
func patience(c resilience.Priority) float64 {
	return [resilience.Priorities]float64{8, 2, 1, 0.5}[c.Class()]
}

// Seen is what was seen within one tick.
type Seen struct {
	Took     time.Duration // the tick itself: a program that is behind is late with that too
	Wait     time.Duration // the mean of the times that work which could run waited for a processor
	Runnable float64       // how much such work there is for each processor
	Done     int           // calls that were let in and have ended
	Refused  int           // calls that were turned away
	Arrived  int           // calls that came
	Late     int           // calls that were turned away because they had waited longer than [Pressure.Bound]
}

// Tick takes in what was seen. Who waits long while there is little work waits for other
// programs' use of the processors: turning calls away would not change that.
func (p *Pressure) Tick(s Seen) {
	seconds := max(s.Took, PressureTick/10).Seconds()
	done := float64(s.Done) / seconds
	refused := float64(s.Refused) / seconds
	target := p.target()
	if p.Open() {
		p.done += late * (done - p.done)
		p.peak = max(faded*p.peak, p.done)
		if p.behind++; s.Wait <= target || s.Runnable <= cmp.Or(p.Waiting, 32) {
			p.behind = 0
		}
		p.rest--
		if p.behind < 2 || p.rest > 0 { // one tick alone may be a collection of garbage
			return
		}
		done := max(done, p.peak) // as it falls behind, much is begun and little ends
		p.can, p.first, p.cost, p.idle, p.calm, p.low = done, done, 0, 0, 0, 0
	}
	full := s.Late > s.Arrived/crowd
	if full {
		p.cost += late * (min(1, max(0, (p.first-done)/refused)) - p.cost)
	}
	if p.cost > tooDear {
		p.vain = min(longest, max(10, 2*p.vain))
		p.open(p.vain)
		return
	}
	near := min(target, max(leastIn, p.times(crowd)))
	switch {
	case full: // there was work all the time: what was done is what can be
		p.can += late * (min(done, jump*p.can) - p.can)
	case s.Wait < near/8 && s.Runnable <= crowd && done > 0.7*p.most: // it could do far more
		p.can *= regain
	case s.Wait < near/8, p.calm >= opening, done > 0.8*p.most:
		p.can *= probe
	}
	p.can = max(p.can, p.first/floor)
	if p.calm++; s.Runnable > 1 {
		p.calm = 0
	}
	if p.idle++; float64(s.Arrived)/seconds > 0.9*p.can {
		p.idle = 0
	}
	if p.idle >= opening {
		p.vain = 0
		p.open(0)
		return
	}
	if p.low++; p.can > p.first/2 {
		p.low = 0
	}
	if p.low >= retry { // what was let in is all that can have been done: try whether more can be
		p.can, p.low = p.first, 0
	}
	p.most = max(leastMost, p.can)
}

// open lets all in, for so many ticks at least.
func (p *Pressure) open(rest int) { p.most, p.behind, p.rest = 0, 0, rest }

// Next is when it is to be told again: after [PressureTick], or sooner for a second look.
func (p *Pressure) Next() time.Duration {
	if p.behind == 1 {
		return PressureTick / 5
	}
	return PressureTick
}

// Open reports whether all calls get in.
func (p *Pressure) Open() bool { return p.most == 0 }

// Bound is how long a call may have waited, as a [Row] tells, and get in all the same. So the row
// stays short whatever is known of what can be done, and there is always one in it.
func (p *Pressure) Bound(c resilience.Priority) time.Duration {
	if p.Open() || p.can < 1.1*p.first/floor {
		return math.MaxInt64 // where even turning away is too much, all would be late
	}
	return time.Duration(patience(c) * float64(min(p.target(), max(leastIn, p.times(bound)))))
}

// times is the time in which so many calls can be done.
func (p *Pressure) times(calls float64) time.Duration {
	return time.Duration(calls / max(1, p.can) * float64(time.Second))
}

func (p *Pressure) target() time.Duration { return cmp.Or(p.Target, 20*time.Millisecond) }

// Rate is how many calls a second get in, as a [Meter] lets them; 0 when all do.
func (p *Pressure) Rate() float64 { return p.most }
