package bus

import (
	"context"
	"slices"
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

// mostTimes bounds what an alarm keeps; see [alarm.wake].
const mostTimes = 1000

// alarm wakes one waiter at each of the times it was set to.
type alarm struct {
	set chan struct{} // of 1: the first time is another

	mu sync.Mutex
	at []time.Time // the earliest first
}

func newAlarm() *alarm { return &alarm{set: make(chan struct{}, 1)} }

// wake has the waiter return at t, and before that when it was told so. Of too many
// times the latest are forgotten: the waiter waits no longer than it wants to.
func (a *alarm) wake(t time.Time) {
	a.mu.Lock()
	i, known := slices.BinarySearchFunc(a.at, t, time.Time.Compare)
	if !known {
		a.at = slices.Insert(a.at, i, t)
		a.at = a.at[:min(len(a.at), mostTimes)]
	}
	a.mu.Unlock()
	if i == 0 && !known {
		select {
		case a.set <- struct{}{}:
		default:
		}
	}
}

// wait returns at the first time that was set, after most at the latest, or when ctx ends.
func (a *alarm) wait(ctx context.Context, most time.Duration) {
	end := time.Now().Add(most)
	for {
		a.mu.Lock()
		until := end
		if len(a.at) > 0 && a.at[0].Before(end) {
			until = a.at[0]
		}
		if now := time.Now(); !now.Before(until) {
			a.at = slices.DeleteFunc(a.at, func(t time.Time) bool { return !t.After(now) })
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
