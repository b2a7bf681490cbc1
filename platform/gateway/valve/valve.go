// Package valve turns requests away at an edge that has more to do than its processors can.
package valve

import (
	"context"
	"errors"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Valve keeps an edge that has more to do than its processors can from being slow for
// all: it turns requests away by their priority, before anything was done for them. It
// opens and closes by what [admission.Pressure] says. A nil Valve lets all in. Safe for
// concurrent use.
type Valve struct {
	arrived [resilience.Priorities]atomic.Uint64
	done    atomic.Uint64
	shed    [resilience.Priorities]atomic.Uint64
	last    atomic.Int64 // when one was turned away, in Unix nanoseconds; 0: none was
	closing atomic.Bool  // else all get in
	meter   admission.Meter
	late    atomic.Uint64                       // of those shed, who had waited too long
	bounds  [resilience.Priorities]atomic.Int64 // how long one may have waited, in nanoseconds
	row     admission.Row
}

// Watch looks at this process, as often as [admission.Pressure] wants, until ctx ends. It is
// called once.
func (v *Valve) Watch(ctx context.Context) {
	tick := time.NewTimer(admission.PressureTick)
	defer tick.Stop()
	probes := newProbes(&v.row)
	defer probes.end()
	var (
		pressure admission.Pressure
		waits    = newWaits()
		arrived  uint64
		done     uint64
		refused  uint64
		late     uint64
		before   = time.Now()
	)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		at := time.Now()
		seen := admission.Seen{Took: at.Sub(before)}
		before = at
		seen.Wait, seen.Runnable = waits.read()
		came, ended, shed := uint64(0), v.done.Load(), uint64(0)
		for p := range v.shed {
			came += v.arrived[p].Load()
			shed += v.shed[p].Load()
		}
		seen.Arrived, seen.Done, seen.Refused = int(came-arrived), int(ended-done), int(shed-refused) //nolint:gosec // of a tick
		arrived, done, refused = came, ended, shed
		tardy := v.late.Load()
		seen.Late, late = int(tardy-late), tardy //nolint:gosec // of a tick
		pressure.Tick(seen)
		v.Follow(&pressure)
		probes.want(!pressure.Open())
		tick.Reset(pressure.Next())
	}
}

// Follow takes over what a Pressure says, as Watch does each time it has looked.
func (v *Valve) Follow(p *admission.Pressure) {
	if !p.Open() {
		v.meter.Set(p.Rate())
		for c := range v.bounds {
			v.bounds[c].Store(int64(p.Bound(resilience.Priority(c))))
		}
	}
	v.closing.Store(!p.Open())
}

// retryAfter is what a client is told to wait.
const retryAfter = time.Second

// ErrFull is why a request is turned away: a *[problem.Error], the same each time, as who has too
// much to do makes none anew.
var ErrFull error = problem.Wrap(errors.New("the processors have more to do than they can"), problem.Unavailable,
	"the edge has more to do than it can; nothing was done").WithRetryAfter(retryAfter)

// Enter lets a request in, or returns [ErrFull]; one that is in leaves by Leave.
func (v *Valve) Enter(p resilience.Priority) error {
	if v == nil {
		return nil
	}
	v.arrived[p.Class()].Add(1)
	if !v.closing.Load() {
		return nil
	}
	if p.Class() != resilience.Critical {
		runtime.Gosched() // answers that came meanwhile to those who are in go first, and hold up nobody for long
	}
	now := time.Now()
	switch {
	case int64(v.row.Wait(now)) > v.bounds[p.Class()].Load():
		v.late.Add(1)
	case v.meter.Allow(now, p):
		return nil
	}
	v.shed[p.Class()].Add(1)
	v.last.Store(now.UnixNano())
	return ErrFull
}

// Leave notes that a request ended which was let in.
func (v *Valve) Leave() {
	if v != nil {
		v.done.Add(1)
	}
}

// Stats tell how the valve stands, as a server tells of its door; nil for none.
func (v *Valve) Stats() *admission.GateStats {
	if v == nil {
		return nil
	}
	s := &admission.GateStats{}
	for p := range v.shed {
		shed := v.shed[p].Load()
		s.Shed[p][admission.ShedQueueFull] = shed
		s.Admitted[p] = v.arrived[p].Load() - shed
	}
	if at := v.last.Load(); at != 0 {
		s.LastShed = time.Unix(0, at)
	}
	return s
}

// Collectors are the valve's metrics.
func (v *Valve) Collectors(gateway string) (all []prometheus.Collector) {
	if v == nil {
		return nil
	}
	for p := range v.shed {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "muster_" + gateway + "_shed_total", Help: "Requests turned away because the processors were behind.",
			ConstLabels: prometheus.Labels{"priority": resilience.Priority(p).String()},
		}, func() float64 { return float64(v.shed[p].Load()) }))
	}
	return all
}
