package metrics_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

// TestAsAMapWould sends points in any order, and compares the database, opened anew now
// and then, with a map of series and times.
func TestAsAMapWould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		c := &clock{start}
		db, err := metrics.Open(dir, metrics.Config{Now: c.Now})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = db.Close() }()
		model := map[string]map[int64]float64{}
		kept, lost := int64(0), int64(0)
		for range rapid.IntRange(1, 8).Draw(rt, "requests") {
			var points []*metricspb.NumberDataPoint
			wrong := int64(0)
			for range rapid.IntRange(1, 10).Draw(rt, "points") {
				id := rapid.IntRange(0, 3).Draw(rt, "series")
				at := start.Add(time.Duration(rapid.IntRange(-90, 0).Draw(rt, "ago")) * 5 * time.Second) // within what may be late
				v := float64(rapid.IntRange(0, 3).Draw(rt, "value"))
				points = append(points, otlptest.Number(at, v, "id", id))
				series := model[fmt.Sprint(id)]
				if series == nil {
					series = map[int64]float64{}
					model[fmt.Sprint(id)] = series
				}
				if old, ok := series[at.UnixMilli()]; ok && old != v {
					wrong++
				} else {
					series[at.UnixMilli()] = v
				}
			}
			rejected, why, err := db.Append(context.Background(), otlptest.Request("a", "a-1", otlptest.Gauge("g", "", points...)))
			// tsdb sees that a late sample is there already when it is committed, and then leaves it out.
			if err != nil || rejected > wrong {
				rt.Fatalf("%d rejected of %d wrong: %s; %v", rejected, wrong, why, err)
			}
			kept, lost = kept+int64(len(points))-rejected, lost+rejected
			if s := db.Stats(); s.Received != kept+lost || s.Stored != kept {
				rt.Fatalf("stats %+v, want %d stored and %d rejected", s, kept, lost)
			}
			if rapid.Bool().Draw(rt, "restart") {
				if err := db.Close(); err != nil {
					rt.Fatal(err)
				}
				if db, err = metrics.Open(dir, metrics.Config{Now: c.Now}); err != nil {
					rt.Fatal(err)
				}
				kept, lost = 0, 0
			}
		}
		list, err := db.Query(context.Background(), "g[1h]", start)
		if err != nil {
			rt.Fatal(err)
		}
		got := map[string]map[int64]bool{}
		for _, s := range list {
			got[s.Labels.Get("id")] = map[int64]bool{}
			for _, p := range s.Points {
				got[s.Labels.Get("id")][p.Time] = true
			}
		}
		for id, series := range model {
			if len(got[id]) != len(series) {
				rt.Errorf("series %s has %d samples, want %d", id, len(got[id]), len(series))
			}
			for at := range series {
				if !got[id][at] {
					rt.Errorf("series %s lacks the sample at %d", id, at)
				}
			}
		}
	})
}
