package instance

import (
	"fmt"
	"time"
)

// first is the state of an instance before its first life.
func first(trial bool, now time.Time) State {
	return State{Phase: Backoff, Since: now, Wake: now, Trial: trial}
}

// step says what becomes of an instance when something happens to it, and what
// must be done about it. It is pure. An input that means nothing in the present
// phase changes nothing.
func step(s State, e input, now time.Time, p Policy) (State, []action) {
	if s.Phase.Final() {
		return s, nil
	}
	switch e := e.(type) {
	case probed:
		return s.probed(e, now, p)
	case lived:
		return s.lived(e, p)
	case died:
		return s.died(e, now, p)
	case crash:
		if s.Phase == Backoff || s.Phase == Stopping {
			return s, nil
		}
		s.Away = e.away
		return s, []action{kill}
	case settle:
		s.Trial = false
		return s, nil
	case follows:
		s.Follows = e.may
		return s, nil
	case leave:
		return s.leave(e, now, p)
	case drain:
		return s.drain(now, p)
	case drained:
		if s.Phase == Draining && e.life == s.Life {
			return s.end(now, p)
		}
	case stop:
		return s.stop(now, p)
	case tick:
		return s.tick(now, p)
	}
	return s, nil
}

func (s State) enter(phase Phase, now time.Time) State {
	s.Phase, s.Since, s.Wake = phase, now, time.Time{}
	return s
}

func (s State) begin(now time.Time, p Policy) State {
	s = s.enter(Starting, now)
	s.Wake = now.Add(p.StartWithin)
	s.Life++
	s.Began, s.ReadyAt = now, time.Time{}
	s.Noes, s.DeadNoes, s.Overdue, s.Away = 0, 0, "", 0
	return s
}

func (s State) probed(e probed, now time.Time, p Policy) (State, []action) {
	if e.life != s.Life || s.Overdue != "" {
		return s, nil
	}
	if !e.ready {
		s.Noes++
		if s.Phase == Ready && s.Noes >= p.UnreadyAfter {
			return s.enter(Unready, now), []action{announce}
		}
		return s, nil
	}
	s.Noes = 0
	switch s.Phase {
	case Starting:
		s.ReadyAt = now
		return s.enter(Ready, now), []action{announce}
	case Unready:
		return s.enter(Ready, now), []action{announce}
	default:
		return s, nil
	}
}

func (s State) lived(e lived, p Policy) (State, []action) {
	if e.life != s.Life || s.Overdue != "" || (s.Phase != Ready && s.Phase != Unready) {
		return s, nil
	}
	if e.alive {
		s.DeadNoes = 0
		return s, nil
	}
	if s.DeadNoes++; s.DeadNoes < p.DeadAfter {
		return s, nil
	}
	s.Overdue = fmt.Sprintf("did not answer its liveness probe %d times in a row", s.DeadNoes)
	return s, []action{kill}
}

// died decides whether and when the instance starts again. A death by a signal
// or after a good while of readiness is an accident: it starts again at once.
// Anything else is likely to happen again: it waits, longer each time.
func (s State) died(e died, now time.Time, p Policy) (State, []action) {
	switch {
	case s.Phase == Draining || s.Phase == Stopping, s.Follows && !e.signal && s.Phase != Backoff:
		return s.enter(Stopped, now), []action{withdraw}
	case s.Phase == Backoff:
		return s, nil
	case s.Trial:
		return s.enter(Failed, now), []action{withdraw}
	case s.Away > 0:
		s = s.enter(Backoff, now)
		s.Wake, s.Away = now.Add(s.Away), 0
		return s, []action{withdraw}
	}
	wasReady := !s.ReadyAt.IsZero()
	if wasReady && now.Sub(s.ReadyAt) >= p.BackoffReset {
		s.Failures = 0
	}
	accident := e.signal && s.Overdue == ""
	switch {
	case wasReady && (accident || now.Sub(s.ReadyAt) >= p.AtOnceAfter):
		return s.begin(now, p), []action{withdraw, launch}
	case accident && s.Failures == 0: // but one that crashes before it is ready does not spin
		s.Failures++
		return s.begin(now, p), []action{withdraw, launch}
	}
	pause := p.pause(s.Failures, e.jitter)
	s.Failures++
	s = s.enter(Backoff, now)
	s.Wake = now.Add(pause)
	return s, []action{withdraw}
}

// pause returns how long to wait after so many earlier bad lives: doubling up to
// the most, less up to a quarter at random so that neighbours do not march in step.
func (p Policy) pause(failures int, jitter float64) time.Duration {
	d := p.BackoffFirst
	for ; failures > 0 && d < p.BackoffMost; failures-- {
		d *= 2
	}
	d = min(d, p.BackoffMost)
	return d - time.Duration(jitter*float64(d)/4)
}

func (s State) drain(now time.Time, p Policy) (State, []action) {
	switch s.Phase {
	case Ready, Unready:
		s = s.enter(Draining, now)
		s.Wake = now.Add(p.DrainWithin)
		return s, []action{announce, quiesce}
	default:
		return s.stop(now, p)
	}
}

// leave waits for an end that comes by itself, whatever the probes say: they may ask the
// process that took its place.
func (s State) leave(e leave, now time.Time, p Policy) (State, []action) {
	switch s.Phase {
	case Backoff, Stopping, Draining:
		return s.stop(now, p)
	default:
		s = s.enter(Draining, now)
		s.Wake = now.Add(e.within)
		return s, nil
	}
}

func (s State) stop(now time.Time, p Policy) (State, []action) {
	switch s.Phase {
	case Stopping:
		return s, nil
	case Backoff:
		return s.enter(Stopped, now), nil
	default:
		return s.end(now, p)
	}
}

func (s State) end(now time.Time, p Policy) (State, []action) {
	s = s.enter(Stopping, now)
	s.Wake = now.Add(p.Grace)
	return s, []action{terminate}
}

func (s State) tick(now time.Time, p Policy) (State, []action) {
	if s.Wake.IsZero() || now.Before(s.Wake) {
		return s, nil
	}
	s.Wake = time.Time{}
	switch s.Phase {
	case Starting:
		s.Overdue = fmt.Sprintf("was not ready within %v", p.StartWithin)
		return s, []action{kill}
	case Backoff:
		return s.begin(now, p), []action{launch}
	case Draining:
		return s.end(now, p)
	case Stopping:
		s.Overdue = fmt.Sprintf("did not end within %v", p.Grace)
		return s, []action{kill}
	default:
		return s, nil
	}
}
