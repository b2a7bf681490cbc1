package admission

import (
	"cmp"
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
// It is a decision only: whoever holds it tells it every [PressureTick] what was seen. While the
// program is behind, it lets in somewhat less than it got done last, the more important
// first; when it is not any more, a little more each time, until all get in. The zero value
// lets all in. Not safe for concurrent use.
type Pressure struct {
	Target  time.Duration // of the mean wait for a processor; 0 means 20 ms
	Waiting float64       // and so many wait for each processor; 0 means 32

	behind  int                            // ticks in a row
	most    float64                        // calls a second to let in; 0: all
	settle  int                            // ticks until the last cut has had its effect
	done    float64                        // calls a second, of late
	worked  float64                        // the same with those turned away, by what they cost
	arrived [resilience.Priorities]float64 // calls a second, of late
}

// PressureTick is how often a Pressure is told what was seen.
const PressureTick = 100 * time.Millisecond

const (
	late       = 0.2 // the weight of the last tick in what is of late
	settleTime = 3   // ticks
	leastMost  = 10  // calls a second that are let in always
	// refusing costs about so much of what passing a call on costs. Where that alone is more
	// than the processors can do, half of what they might pass on is let in all the same.
	refusing = 1.0 / 6
)

// Seen is what was seen within one tick.
type Seen struct {
	Took     time.Duration                 // the tick itself: a program that is behind is late with that too
	Wait     time.Duration                 // the mean of the times that work which could run waited for a processor
	Runnable float64                       // how much such work there is for each processor
	Done     int                           // calls that were let in and have ended
	Refused  int                           // calls that were turned away
	Arrived  [resilience.Priorities]uint64 // calls that came, by priority
}

// Tick takes in what was seen. Who waits long while there is little work waits for other
// programs' use of the processors: turning calls away would not change that.
func (p *Pressure) Tick(s Seen) {
	seconds := max(s.Took, PressureTick/10).Seconds()
	p.done += late * (float64(s.Done)/seconds - p.done)
	p.worked += late * ((float64(s.Done)+refusing*float64(s.Refused))/seconds - p.worked)
	var arrived float64
	for c, n := range s.Arrived {
		p.arrived[c] += late * (float64(n)/seconds - p.arrived[c])
		arrived += p.arrived[c]
	}
	target := cmp.Or(p.Target, 20*time.Millisecond)
	behind := s.Wait > target && s.Runnable > cmp.Or(p.Waiting, 32)
	if p.behind++; !behind {
		p.behind = 0
	}
	if p.settle > 0 {
		p.settle--
		return
	}
	switch {
	case p.behind >= 2 && p.Open(), p.behind >= 1 && !p.Open(): // one tick alone may be a collection of garbage
		part := 0.9
		if s.Wait > 2*target {
			part = 0.7
		}
		from := p.done
		if !p.Open() {
			from = min(p.most, 1.2*p.done)
		}
		p.most = max(leastMost, part*from, p.worked/2)
		p.settle = settleTime
	case !p.Open() && !behind && s.Wait < target:
		p.most = 1.1*p.most + leastMost
		if p.most > 1.5*arrived {
			p.most = 0
		}
	}
}

// Open reports whether all calls get in.
func (p *Pressure) Open() bool { return p.most == 0 }

// Share returns which part of the calls of a priority gets in, 0 to 1: the more important
// have taken what is theirs of those that are let in.
func (p *Pressure) Share(c resilience.Priority) float64 {
	if p.Open() {
		return 1
	}
	left := p.most
	for _, n := range p.arrived[:c.Class()] {
		left -= n
	}
	return min(1, max(0, left)/max(1, p.arrived[c.Class()]))
}
