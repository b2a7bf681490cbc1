//go:build !race

package metrics_test

import (
	"context"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// TestTwoDaysAreDrawnFast draws what an overview of two days asks for. The bound is
// loose, for tests share their machine; the time is in the log. It says nothing under the
// race detector.
func TestTwoDaysAreDrawnFast(t *testing.T) {
	if testing.Short() {
		t.Skip("fills 2.3 million samples")
	}
	const series, every, span = 200, 15 * time.Second, 48 * time.Hour
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now})
	points := make([]*metricspb.NumberDataPoint, series)
	for i := range points {
		points[i] = otlptest.Number(start, 0, "route", i%20, "code", 200+i/20)
	}
	began := time.Now()
	for after := time.Duration(0); after < span; after += every {
		c.now = start.Add(after)
		for i, p := range points {
			p.TimeUnixNano = otlptest.Nanos(c.now)
			p.Value = &metricspb.NumberDataPoint_AsDouble{AsDouble: after.Seconds() * float64(i)}
		}
		send(t, db, "orders", otlptest.Counter("requests", "", points...))
		if after%(2*time.Hour) == 0 {
			if err := metrics.Maintain(db); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("%d samples in %s; %.2f bytes each on the disk", db.Stats().Samples, time.Since(began), float64(db.Stats().Bytes)/float64(db.Stats().Samples))
	for _, query := range []string{`rate(requests_total[5m])`, `sum by(code)(rate(requests_total[5m]))`, `requests_total`} {
		began := time.Now()
		list, err := db.Range(context.Background(), query, start, c.now, span/1000)
		took := time.Since(began)
		if err != nil || len(list) == 0 {
			t.Fatalf("%s: %d series, %v", query, len(list), err)
		}
		t.Logf("%s: %d series of %d points in %s", query, len(list), len(list[0].Points), took)
		if took > 10*time.Second {
			t.Errorf("%s took %s", query, took)
		}
	}
}
