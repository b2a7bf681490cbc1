// Package alarm holds timers that are used again and again, as hardly any of them rings.
package alarm

import (
	"sync"
	"time"
)

// Ringer is told when an alarm rings, on a goroutine of its own.
type Ringer interface{ Ring() }

// Alarm is one timer. It is used by one at a time.
type Alarm struct {
	of    Ringer
	timer *time.Timer
}

// Set has the alarm ring after d, in place of when it was to ring before.
func (a *Alarm) Set(d time.Duration) { a.timer.Reset(d) }

// Alarms are those not in use. The zero value is ready; safe for concurrent use.
type Alarms struct{ free sync.Pool }

// Set returns an alarm that rings for of after d.
func (s *Alarms) Set(of Ringer, d time.Duration) *Alarm {
	if a, ok := s.free.Get().(*Alarm); ok {
		a.of = of
		a.timer.Reset(d)
		return a
	}
	a := &Alarm{of: of}
	a.timer = time.AfterFunc(d, func() { a.of.Ring() })
	return a
}

// Stop ends the use of an alarm. One that has rung, or rings just then, still does so for
// whom it was set, and is not used again.
func (s *Alarms) Stop(a *Alarm) {
	if a.timer.Stop() {
		a.of = nil
		s.free.Put(a)
	}
}
