package admission_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// A burst at a server that only waits for something else is let in whole.
func TestGateLetsABurstIn(t *testing.T) {
	for _, n := range []int{5, 50, 500, 900} {
		var g admission.Gate[int]
		for burst := range 20 {
			now := start.Add(time.Duration(burst) * time.Second)
			for range n {
				if !g.Arrive(now, 0, resilience.Normal, time.Time{}).Begin {
					t.Fatalf("burst %d of %d: one was not let in, at limit %d", burst, n, g.Limit.Value())
				}
			}
			now = now.Add(200 * time.Millisecond)
			for range n {
				g.End(now, admission.Work{Took: 200 * time.Millisecond}, func(int) {})
			}
		}
		if got := g.Stats(); got.Limit != 1000 || got.InFlight != 0 || got.Admitted[resilience.Normal] != uint64(20*n) {
			t.Errorf("%d: %+v", n, got)
		}
	}
}

func TestGateQueuesAtItsLimit(t *testing.T) {
	g := admission.Gate[string]{Limit: admission.Limit{Initial: 4}, Queue: admission.Queue[string]{Max: 2}}
	for range 4 {
		g.Arrive(ms(0), "", resilience.Normal, time.Time{})
	}
	low := g.Arrive(ms(1), "low", resilience.Low, time.Time{})
	normal := g.Arrive(ms(1), "normal", resilience.Normal, time.Time{})
	if low.Begin || low.Waiting == nil || normal.Waiting == nil || g.Open() {
		t.Fatalf("%+v %+v", low, normal)
	}
	if d := g.Arrive(ms(1), "another low", resilience.Low, time.Time{}); d.Begin || d.Waiting != nil || d.Reason != admission.ShedQueueFull {
		t.Errorf("the queue is full: %+v", d)
	}
	if d := g.Arrive(ms(1), "critical", resilience.Critical, time.Time{}); d.Waiting == nil || d.Evicted != low.Waiting {
		t.Errorf("the queue is full of less important ones: %+v", d)
	}
	if d := g.Arrive(ms(1), "", resilience.Critical, ms(1)); d.Begin || d.Waiting != nil || d.Reason != admission.ShedTooLate {
		t.Errorf("too late: %+v", d)
	}
	var begun []string
	g.End(ms(2), admission.Work{Took: time.Millisecond}, func(s string) { begun = append(begun, s) })
	if len(begun) != 1 || begun[0] != "critical" {
		t.Errorf("%v were let in", begun)
	}
	if reason, ok := g.GiveUp(ms(101), normal.Waiting, false); !ok || reason != admission.ShedWaited {
		t.Errorf("gave up: %s, %v", reason, ok)
	}
	gone := g.Arrive(ms(102), "", resilience.Normal, ms(110))
	if reason, ok := g.GiveUp(ms(103), gone.Waiting, true); !ok || reason != admission.ShedCallerGone {
		t.Errorf("gone: %s, %v", reason, ok)
	}
	late := g.Arrive(ms(102), "", resilience.Normal, ms(110))
	if reason, ok := g.GiveUp(ms(110), late.Waiting, true); !ok || reason != admission.ShedTooLate {
		t.Errorf("late: %s, %v", reason, ok)
	}
	first := g.Arrive(ms(120), "in", resilience.Normal, time.Time{})
	g.End(ms(121), admission.Work{Took: time.Millisecond}, func(string) {})
	if _, ok := g.GiveUp(ms(121), first.Waiting, true); ok {
		t.Error("gave up what has begun")
	}
	s := g.Stats()
	if s.InFlight != 4 || s.Waiting != 0 || s.Shed[resilience.Normal] != [4]uint64{0, 1, 1, 1} || s.Shed[resilience.Low] != [4]uint64{2, 0, 0, 0} {
		t.Errorf("%+v", s)
	}
}

func TestLimitKeepsItsBounds(t *testing.T) {
	l := admission.Limit{Min: 3, Initial: 1, Max: 2} // nonsense: Min wins
	if l.Value() != 3 {
		t.Errorf("limit %d", l.Value())
	}
	for range 3 {
		if !l.Room() {
			t.Fatal("no room")
		}
		l.Begin(start)
	}
	if l.Room() || l.InFlight() != 3 {
		t.Errorf("room at %d of %d", l.InFlight(), l.Value())
	}
	for range 5 { // more than began
		l.End(start, admission.Work{})
	}
	if l.InFlight() != 0 {
		t.Errorf("%d in flight", l.InFlight())
	}
}

func BenchmarkGate(b *testing.B) {
	var g admission.Gate[int]
	now := start
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Microsecond)
		g.Arrive(now, 0, resilience.Normal, time.Time{})
		g.End(now, admission.Work{Took: time.Microsecond}, nil)
	}
}
