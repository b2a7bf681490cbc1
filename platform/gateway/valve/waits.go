package valve

import (
	"math"
	"runtime"
	runtimemetrics "runtime/metrics"
	"time"
)

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
