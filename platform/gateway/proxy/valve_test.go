package proxy

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

// ClosingValve returns a valve that lets half of the normal requests in, and none below.
func ClosingValve() *Valve {
	v := &Valve{}
	var p admission.Pressure
	for range 50 {
		p.Tick(admission.Seen{Took: admission.PressureTick, Done: 100, Arrived: [4]uint64{20, 20, 100, 100}})
	}
	for range 2 {
		p.Tick(admission.Seen{Took: admission.PressureTick, Wait: 30 * time.Millisecond, Runnable: 100, Done: 100, Arrived: [4]uint64{20, 20, 100, 100}})
	}
	v.set(&p)
	return v
}

func TestValve(t *testing.T) {
	v := ClosingValve()
	var in [resilience.Priorities]float64
	for p := range resilience.Priority(resilience.Priorities) {
		for range 1000 {
			err := v.enter(p)
			if err == nil {
				in[p]++
				continue
			}
			if e := problem.From(err); e.Code != problem.Unavailable || e.RetryAfter <= 0 {
				t.Fatalf("turned away with %+v", e)
			}
		}
	}
	if in[0] != 1000 || in[1] != 1000 || math.Abs(in[2]-500) > 120 || in[3] != 0 {
		t.Errorf("let in %v of 1000 each", in)
	}
	s := v.Stats()
	if s.Turned() != 4000-uint64(in[0]+in[1]+in[2]+in[3]) || s.Admitted[resilience.Critical] != 1000 || time.Since(s.LastShed) > time.Minute {
		t.Errorf("it stands at %+v", s)
	}
	v.set(&admission.Pressure{})
	if err := v.enter(resilience.Low); err != nil {
		t.Errorf("opened again it says %v", err)
	}
	var none *Valve
	if none.leave(); none.enter(resilience.Low) != nil || none.Stats() != nil || none.collectors("x") != nil {
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
