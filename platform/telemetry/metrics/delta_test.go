package metrics_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// A histogram of deltas without bounds, which has one bucket for all, is kept, and what
// comes after it too.
func TestDeltasWithoutBounds(t *testing.T) {
	at := &clock{now: start}
	db := open(t, t.TempDir(), metrics.Config{Now: at.Now})
	for i := range 3 {
		at.now = start.Add(time.Duration(i) * time.Minute)
		counts := []uint64{2}
		if i == 1 { // nor is one that has not even that of another kind
			counts = nil
		}
		p := otlptest.Buckets(at.now, 1, nil, counts)
		p.Count = 2
		done := make(chan struct{})
		go func() {
			defer close(done)
			send(t, db, "orders", otlptest.Histogram("took", "s", otlptest.Delta, p))
		}()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("the second waits for the first, which panicked")
		}
	}
	// Another shape is another histogram: its sum begins anew.
	if got := ask(t, db, `took_seconds_count`, at.now); got == "" {
		t.Error("nothing is there")
	}
}
