package bus

import (
	"context"
	"sync"
	"time"
)

// slots bounds how many things are done at a time.
type slots struct{ taken chan struct{} }

func newSlots(n int) *slots { return &slots{make(chan struct{}, n)} }

// take waits for one slot and takes all that are free then; 0 when ctx ended.
func (s *slots) take(ctx context.Context) int {
	select {
	case <-ctx.Done():
		return 0
	case s.taken <- struct{}{}:
	}
	n := 1
	for {
		select {
		case s.taken <- struct{}{}:
			n++
		default:
			return n
		}
	}
}

func (s *slots) give(n int) {
	for range n {
		<-s.taken
	}
}

func (s *slots) busy() int { return len(s.taken) }

// alarm wakes one waiter at the earliest of the times it was set to.
type alarm struct {
	set chan struct{} // of 1: the time was moved forward

	mu sync.Mutex
	at time.Time // zero: none
}

func newAlarm() *alarm { return &alarm{set: make(chan struct{}, 1)} }

// wake has the waiter return at t, or earlier.
func (a *alarm) wake(t time.Time) {
	a.mu.Lock()
	earlier := a.at.IsZero() || t.Before(a.at)
	if earlier {
		a.at = t
	}
	a.mu.Unlock()
	if earlier {
		select {
		case a.set <- struct{}{}:
		default:
		}
	}
}

// wait returns at the time that was set, after most at the latest, or when ctx ends.
func (a *alarm) wait(ctx context.Context, most time.Duration) {
	end := time.Now().Add(most)
	for {
		a.mu.Lock()
		until := end
		if !a.at.IsZero() && a.at.Before(end) {
			until = a.at
		}
		if !time.Now().Before(until) {
			if !a.at.IsZero() && !a.at.After(until) {
				a.at = time.Time{}
			}
			a.mu.Unlock()
			return
		}
		a.mu.Unlock()
		timer := time.NewTimer(time.Until(until))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		case <-a.set:
			timer.Stop()
		}
	}
}
