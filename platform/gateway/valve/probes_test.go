package valve

import (
	"math"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
)

// Who waited too long in the row is turned away, unless it is important, and is counted.
func TestLate(t *testing.T) {
	v := closing()
	v.row.Sent(time.Now().Add(-30 * time.Millisecond))
	if err := v.Enter(resilience.Normal); err == nil {
		t.Error("who waited for 30 ms gets in")
	}
	if err := v.Enter(resilience.Critical); err != nil {
		t.Errorf("a critical one does not: %v", err)
	}
	if n := v.late.Load(); n != 1 {
		t.Errorf("%d were late, want 1", n)
	}
	v.row.Back(time.Now())
	v.row.Sent(time.Now())
	v.row.Back(time.Now())
	if err := v.Enter(resilience.Normal); err != nil {
		t.Errorf("when nobody waits: %v", err)
	}
}

// Probes see work that waits for a processor, and none when there is none; unwanted ones are
// not sent.
func TestProbes(t *testing.T) {
	var row admission.Row
	p := newProbes(&row)
	defer p.end()
	if row.Wait(time.Now()) != 0 {
		t.Error("one was sent that nobody wants")
	}
	p.want(true)
	until := func(what string, holds func(time.Duration) bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
			if holds(row.Wait(time.Now())) {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: it waits for %s", what, row.Wait(time.Now()))
			}
		}
	}
	var all sync.WaitGroup
	stop := make(chan struct{})
	for range 100 * runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				for range 100_000 {
					math.Sqrt(2)
				}
				runtime.Gosched()
			}
		})
	}
	until("busy", func(d time.Duration) bool { return d > time.Millisecond })
	close(stop)
	all.Wait()
	until("idle", func(d time.Duration) bool { return d > 0 && d < time.Millisecond })
	p.want(false)
	var none *probes
	none.want(true)
	none.end()
}
