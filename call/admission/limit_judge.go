package admission

import "time"

// trial is the experiment that a cut is.
type trial struct {
	stage   stage
	lag     time.Duration // what a call took when the stage began
	from    time.Time     // when calls that began before have ended; zero: there are too many in flight yet
	settled bool          // the window that runs has nothing of the time before
	before  point
	cut     point
	usual   time.Duration // what to take for usual when the cut did harm
}

type point struct{ inFlight, rate float64 }

type stage uint8

const (
	noTrial stage = iota
	cutting       // the limit was lowered: does the rate stay?
	undoing       // the rate fell, so it was raised again: does the rate come back?
)

// judge ends a window.
func (l *Limit) judge(now time.Time) {
	v := l.window
	took := max(now.Sub(v.began), time.Millisecond).Seconds()
	rate, inFlight := float64(v.ends)/took, v.area/took
	if v.counted == 0 {
		return
	}
	mean := v.sum / time.Duration(v.counted)
	if l.usual == 0 {
		l.usual = max(1, mean)
	}
	bound := v.waited > 0
	if l.trial.stage != noTrial {
		if !l.trial.settled && (bound || l.trial.stage == undoing) {
			return
		}
		if l.verdict(now, bound, point{inFlight, rate}, mean) {
			return
		}
	}

	l.adjust(now, reading{rate, inFlight, mean, bound})
}

// reading is what one window says.
type reading struct {
	rate     float64       // calls ended per second
	inFlight float64       // on average
	mean     time.Duration // of what they took
	bound    bool          // some found no room
}

// adjust sets the limit by a window that is no part of a trial.
func (l *Limit) adjust(now time.Time, r reading) {
	v := l.window
	if l.was > 0 && r.bound && now.After(l.hold) { // what a trial found out is asked again, ever less often
		l.usual, l.was = min(l.usual, l.was), 0
	}
	allowed := l.allowed()
	need := max(r.mean, time.Duration(float64(l.inFlight)/r.rate*float64(time.Second)))
	slow := r.mean > 2*l.usual && need > allowed*5/4
	late := v.expired >= 3 && v.expired*10 >= v.ends
	behind := r.bound || v.grew() || (slow || late) && l.crept(r.inFlight)
	if !slow && !late {
		l.slowAt = 0
	}
	if l.runs++; !behind || !slow && !late {
		l.runs = 0
	}
	// Who waited for those that were there before took as long as these needed to end.
	queued := float64(v.beside)/float64(v.counted)/r.rate > r.mean.Seconds()/2
	urgent := l.left > 0 && need > l.left/4
	certain := r.bound || queued && (urgent || l.runs >= 2) || l.runs >= 3
	switch {
	case l.runs > 0 && certain && now.After(l.hold):
		l.cut(r.rate, r.mean, allowed, need)
	case r.bound && need < allowed*3/5:
		l.set(2 * l.value)
	case r.bound && need < allowed*4/5:
		l.set(l.value + max(4, l.value/4))
	case !r.bound && !slow && l.value < l.initial():
		l.set(min(l.value+max(1, l.value/20), l.initial()))
	}
	l.learn(r.mean, behind)
}

// crept reports whether calls in flight have become half as many again since calls were
// found slow: a server that falls behind slowly.
func (l *Limit) crept(inFlight float64) bool {
	if l.slowAt == 0 {
		l.slowAt = inFlight
	}
	return inFlight > 1.5*l.slowAt
}

// allowed is how long calls may take while the server is behind.
func (l *Limit) allowed() time.Duration {
	slack := l.Slack
	if slack == 0 {
		slack = 100 * time.Millisecond
		if l.left > 0 {
			slack = min(slack, l.left/4)
		}
	}
	a := max(2*l.usual, l.usual+leastSlack, slack)
	if l.left > 0 {
		a = min(a, time.Duration(deadlineUsed*float64(l.left)))
	}
	return a
}

// cut lowers the limit to what ends in the time allowed, by three quarters at most.
func (l *Limit) cut(rate float64, mean, allowed, need time.Duration) {
	from := float64(min(l.value, l.inFlight))
	l.trial = trial{stage: cutting, lag: min(mean, longWindow), before: point{float64(l.inFlight), rate}}
	l.set(int(min(max(rate*allowed.Seconds(), from/4), from*0.8)))
	l.recent = time.Duration(float64(l.value) / rate * float64(time.Second))
	if l.drain = l.inFlight; l.left > 0 && need > 2*l.left { // who followed now would be too late
		l.drain = 0
	}
}

// verdict ends a stage of a trial. It returns true when the next stage begins.
func (l *Limit) verdict(now time.Time, bound bool, at point, mean time.Duration) bool {
	t := l.trial
	l.trial = trial{}
	switch t.stage {
	case cutting:
		fewer := 1 - at.inFlight/t.before.inFlight
		if !bound || fewer < 0.05 { // nobody came for what was cut
			return false
		}
		if at.rate >= t.before.rate*(1-fewer/2) {
			l.holdFor = 0
			return false
		}
		l.set(int(t.before.inFlight))
		l.trial = trial{stage: undoing, lag: min(mean, longWindow), cut: at, usual: mean}
		return true
	case undoing:
		more := at.inFlight/t.cut.inFlight - 1
		if more < 0.05 || at.rate < t.cut.rate*(1+more/2) || mean > t.usual+time.Duration(more/2*float64(t.usual)) {
			return false // it fell for another reason, or calls do wait for one another: the cut was right
		}
		l.was, l.usual = l.usual, max(l.usual, t.usual)
		l.holdFor = min(max(firstHold, 2*l.holdFor), longestHold)
		l.hold = now.Add(l.holdFor)
	}
	return false
}

// learn follows the usual time: down soon, up when it has been longer for a while.
func (l *Limit) learn(mean time.Duration, behind bool) {
	if mean < l.usual {
		l.usual = max(1, l.usual-(l.usual-mean)/8)
	}
	if behind {
		l.calm = 0
		return
	}
	if l.calm == 0 || mean < l.lowest {
		l.lowest = mean
	}
	if l.calm++; l.calm > l.learnt {
		l.usual, l.was, l.calm = max(1, l.lowest), 0, 0
		l.learnt = min(2*l.learnt+1, calmWindows)
	}
}

func (l *Limit) set(n int) { l.value = min(max(n, l.min()), l.max()) }
