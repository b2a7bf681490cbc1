package proxy

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	runtimemetrics "runtime/metrics"
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
	last    atomic.Int64                                   // when one was turned away, in Unix nanoseconds; 0: none was
	shares  atomic.Pointer[[resilience.Priorities]float64] // nil: all get in
}

// Watch looks at this process every [admission.PressureTick], until ctx ends. It is
// called once.
func (v *Valve) Watch(ctx context.Context) {
	tick := time.NewTicker(admission.PressureTick)
	defer tick.Stop()
	var (
		pressure admission.Pressure
		waits    = newWaits()
		arrived  [resilience.Priorities]uint64
		done     uint64
		refused  uint64
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
		for p := range arrived {
			now := v.arrived[p].Load()
			seen.Arrived[p], arrived[p] = now-arrived[p], now
		}
		ended, shed := v.done.Load(), uint64(0)
		for p := range v.shed {
			shed += v.shed[p].Load()
		}
		seen.Done, seen.Refused = int(ended-done), int(shed-refused) //nolint:gosec // of a tick
		done, refused = ended, shed
		pressure.Tick(seen)
		v.set(&pressure)
	}
}

func (v *Valve) set(p *admission.Pressure) {
	if p.Open() {
		v.shares.Store(nil)
		return
	}
	var shares [resilience.Priorities]float64
	for c := range shares {
		shares[c] = p.Share(resilience.Priority(c))
	}
	v.shares.Store(&shares)
}

// errFull is why a request is turned away.
var errFull = errors.New("the processors have more to do than they can")

// enter lets a request in, or says why not; one that is in leaves by leave.
func (v *Valve) enter(p resilience.Priority) error {
	if v == nil {
		return nil
	}
	v.arrived[p.Class()].Add(1)
	shares := v.shares.Load()
	if shares == nil || shares[p.Class()] >= 1 || rand.Float64() < shares[p.Class()] {
		return nil
	}
	v.shed[p.Class()].Add(1)
	v.last.Store(time.Now().UnixNano())
	return problem.Wrap(errFull, problem.Unavailable, "the edge has more to do than it can; nothing was done").WithRetryAfter(retryAfter)
}

func (v *Valve) leave() {
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

// collectors are the valve's metrics.
func (v *Valve) collectors(gateway string) (all []prometheus.Collector) {
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

// waits reads how this process's goroutines wait for a processor.
type waits struct {
	samples []runtimemetrics.Sample
	before  []uint64
}

func newWaits() *waits {
	w := &waits{samples: []runtimemetrics.Sample{{Name: "/sched/latencies:seconds"}, {Name: "/sched/goroutines/runnable:goroutines"}}}
	w.read()
	return w
}

// read returns the mean wait since the last read, and how many wait for each processor
// now. What the runtime does not tell is 0.
func (w *waits) read() (mean time.Duration, runnable float64) {
	runtimemetrics.Read(w.samples)
	if v := w.samples[1].Value; v.Kind() == runtimemetrics.KindUint64 {
		runnable = float64(v.Uint64()) / float64(runtime.GOMAXPROCS(0))
	}
	if w.samples[0].Value.Kind() != runtimemetrics.KindFloat64Histogram {
		return 0, runnable
	}
	h := w.samples[0].Value.Float64Histogram()
	var sum, n float64
	for i, count := range h.Counts {
		since := count
		if i < len(w.before) {
			since -= w.before[i]
		}
		low, high := h.Buckets[i], h.Buckets[i+1]
		if math.IsInf(low, 0) {
			low = 0
		}
		if math.IsInf(high, 0) {
			high = low
		}
		sum += float64(since) * (low + high) / 2
		n += float64(since)
	}
	w.before = append(w.before[:0], h.Counts...)
	if n == 0 {
		return 0, runnable
	}
	return time.Duration(sum / n * float64(time.Second)), runnable
}
