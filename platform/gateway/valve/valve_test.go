package valve

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// closing returns a valve that lets 10 requests in a second, and the most important
// before the others.
func closing() *Valve {
	v := &Valve{}
	var p admission.Pressure
	for range 3 {
		p.Tick(admission.Seen{Took: admission.PressureTick, Wait: 30 * time.Millisecond, Runnable: 100, Done: 1, Arrived: 240})
	}
	v.Follow(&p)
	return v
}

func TestValve(t *testing.T) {
	v := closing()
	var in [resilience.Priorities]float64
	for p := resilience.Low; p < resilience.Priorities; p-- { // until it is below 0, which is large
		for range 1000 {
			err := v.Enter(p)
			if err == nil {
				in[p]++
				continue
			}
			if e := problem.From(err); e.Code != problem.Unavailable || e.RetryAfter <= 0 {
				t.Fatalf("turned away with %+v", e)
			}
		}
	}
	if in[0] < 5 || in[1] < 1 || in[2] < 1 || in[3] < 1 || in[0]+in[1]+in[2]+in[3] > 50 {
		t.Errorf("let in %v of 1000 each", in)
	}
	s := v.Stats()
	if s.Turned() != 4000-uint64(in[0]+in[1]+in[2]+in[3]) || s.Admitted[resilience.Critical] != uint64(in[0]) || time.Since(s.LastShed) > time.Minute {
		t.Errorf("it stands at %+v", s)
	}
	v.Follow(&admission.Pressure{})
	if err := v.Enter(resilience.Low); err != nil {
		t.Errorf("opened again it says %v", err)
	}
	var none *Valve
	if none.Leave(); none.Enter(resilience.Low) != nil || none.Stats() != nil || none.Collectors("x") != nil {
		t.Error("where there is no valve, something is turned away")
	}
}

// The runtime tells of goroutines that wait for a processor, and of none when none do.
func TestWaitsAreSeen(t *testing.T) {
	w := newWaits()
	deadline := time.Now().Add(20 * time.Second)
	for {
		var all sync.WaitGroup
		end := time.Now().Add(50 * time.Millisecond)
		for range 200 * runtime.GOMAXPROCS(0) {
			all.Go(func() {
				for time.Now().Before(end) {
					for range 1000 {
						math.Sqrt(2)
					}
					runtime.Gosched()
				}
			})
		}
		_, runnable := w.read()
		all.Wait()
		if mean, _ := w.read(); mean > 100*time.Microsecond && runnable > 32 {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("while 200 goroutines share each processor they are seen to wait %s, %.0f of them", mean, runnable)
		}
	}
}
