package admission_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

var start = time.Unix(1e9, 0)

func ms(n int) time.Time { return start.Add(time.Duration(n) * time.Millisecond) }

func TestQueueServesTheMoreImportantFirst(t *testing.T) {
	var q admission.Queue[int]
	for i, p := range []resilience.Priority{resilience.Low, resilience.Normal, resilience.Critical, resilience.Normal, resilience.High} {
		q.Push(ms(i), i, p, time.Time{})
	}
	for _, want := range []int{2, 4, 1, 3, 0} { // within a class the oldest first
		if w := q.Pop(ms(10)); w == nil || w.Value != want {
			t.Fatalf("got %+v, want %d", w, want)
		}
	}
	if q.Pop(ms(10)) != nil || q.Len() != 0 {
		t.Error("something is left")
	}
}

func TestQueueUnderStress(t *testing.T) {
	var q admission.Queue[string]
	push := func(at int, name string, p resilience.Priority) *admission.Waiting[string] {
		w, _ := q.Push(ms(at), name, p, time.Time{})
		return w
	}
	first := push(0, "first", resilience.Normal)
	if got := first.Until.Sub(first.Since); got != 100*time.Millisecond {
		t.Errorf("a short queue: %s", got)
	}
	push(60, "second", resilience.Normal)
	late := push(101, "late", resilience.Normal) // nobody was without waiting for 100 ms
	if got := late.Until.Sub(late.Since); got != 5*time.Millisecond {
		t.Errorf("a standing queue: %s", got)
	}
	if got := push(101, "lower", resilience.Low); got.Until.Sub(got.Since) != 5*time.Millisecond {
		t.Errorf("a class behind a standing queue may wait %s", got.Until.Sub(got.Since))
	}
	if got := push(101, "higher", resilience.High); got.Until.Sub(got.Since) != 100*time.Millisecond {
		t.Errorf("a class before a standing queue may wait %s", got.Until.Sub(got.Since))
	}
	if got := push(101, "highest", resilience.Critical); got.Until.Sub(got.Since) != time.Second {
		t.Errorf("critical may wait %s", got.Until.Sub(got.Since))
	}
	for _, want := range []string{"highest", "higher", "late", "second", "lower"} { // the newest first where the queue stands
		if w := q.Pop(ms(102)); w == nil || w.Value != want { // "first" is over
			t.Fatalf("got %+v, want %s", w, want)
		}
	}
	if w := q.Pop(ms(102)); w != nil {
		t.Errorf("%s was taken out after its time", w.Value)
	}
	if w := push(200, "again", resilience.Normal); w.Until.Sub(w.Since) != 100*time.Millisecond {
		t.Errorf("an empty queue is still taken for a standing one: %s", w.Until.Sub(w.Since))
	}
}

// The most important may wait for long while others are turned away, until they alone are
// more than can be done.
func TestCriticalWaitsLonger(t *testing.T) {
	var q admission.Queue[string]
	push := func(at int, name string, p resilience.Priority, deadline time.Time) time.Duration {
		w, _ := q.Push(ms(at), name, p, deadline)
		return w.Until.Sub(w.Since)
	}
	push(0, "first", resilience.Critical, time.Time{})
	for name, test := range map[string]struct {
		at       int
		p        resilience.Priority
		deadline time.Time
		want     time.Duration
	}{
		"after 101 ms":                          {at: 101, want: time.Second},
		"another class then":                    {at: 101, p: resilience.High, want: 5 * time.Millisecond},
		"after 999 ms":                          {at: 999, want: time.Second},
		"after 1001 ms":                         {at: 1001, want: 100 * time.Millisecond},
		"with 1 s left":                         {at: 500, deadline: ms(1500), want: 800 * time.Millisecond},
		"with 300 ms left":                      {at: 500, deadline: ms(800), want: 150 * time.Millisecond},
		"with much left":                        {at: 500, deadline: ms(60500), want: time.Second},
		"with 300 ms left, in a standing queue": {at: 1001, deadline: ms(1301), want: 100 * time.Millisecond},
	} {
		if got := push(test.at, name, test.p, test.deadline); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

func TestQueueIsBounded(t *testing.T) {
	q := admission.Queue[int]{Max: 3}
	for i := range 3 {
		q.Push(ms(i), i, resilience.Normal, time.Time{})
	}
	if w, evicted := q.Push(ms(3), 3, resilience.Normal, time.Time{}); w != nil || evicted != nil {
		t.Error("an equal one took the place of another")
	}
	if w, evicted := q.Push(ms(3), 3, resilience.High, time.Time{}); w == nil || evicted == nil || evicted.Value != 0 {
		t.Errorf("evicted %+v", evicted)
	}
	if q.Len() != 3 {
		t.Errorf("%d wait", q.Len())
	}
}

func TestQueueKnowsTheDeadline(t *testing.T) {
	var q admission.Queue[int]
	w, _ := q.Push(ms(0), 1, resilience.Normal, ms(20))
	if !w.Until.Equal(ms(20)) {
		t.Errorf("waits until %s", w.Until)
	}
	if q.Pop(ms(20)) != nil {
		t.Error("it was let in at its deadline")
	}
}

// TestQueueKeepsItsBooks compares with a plain list, over random pushes, pops and removals.
func TestQueueKeepsItsBooks(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		q := admission.Queue[int]{Max: 50}
		waiting := map[*admission.Waiting[int]]bool{}
		now := 0
		for i := range 5000 {
			now += rng.IntN(4)
			switch rng.IntN(4) {
			case 0, 1:
				w, evicted := q.Push(ms(now), i, resilience.Priority(rng.IntN(4)), time.Time{})
				if evicted != nil && !waiting[evicted] {
					t.Fatal("evicted one that did not wait")
				}
				delete(waiting, evicted)
				if w != nil {
					waiting[w] = true
				}
			case 2:
				best := resilience.Priority(99)
				for w := range waiting {
					if w.Until.After(ms(now)) {
						best = min(best, w.Priority)
					}
				}
				w := q.Pop(ms(now))
				switch {
				case w == nil && best != 99, w != nil && w.Priority != best:
					t.Fatalf("seed %d: popped %+v while class %d waits", seed, w, best)
				case w != nil && (!waiting[w] || !w.Until.After(ms(now))):
					t.Fatal("popped one that did not wait")
				}
				for old := range waiting { // those whose wait was over may be gone now
					if old == w || !old.Until.After(ms(now)) {
						q.Remove(old)
						delete(waiting, old)
					}
				}
			case 3:
				for w := range waiting {
					if !q.Remove(w) || q.Remove(w) {
						t.Fatal("removed not exactly once")
					}
					delete(waiting, w)
					break
				}
			}
			if q.Len() != len(waiting) || q.Len() > 50 {
				t.Fatalf("seed %d: %d wait, want %d", seed, q.Len(), len(waiting))
			}
		}
	}
}
