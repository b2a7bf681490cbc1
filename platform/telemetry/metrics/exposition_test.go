package metrics_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
)

const exposed = `# TYPE a_b gauge
a_b{instance="a-1",job="a",text="\"q\"\\\n"} NaN 1700000000000
# TYPE latency_seconds histogram
latency_seconds_bucket{instance="a-1",job="a",le="0.5",route="x"} 1 1700000000000
latency_seconds_bucket{instance="a-1",job="a",le="2",route="x"} 3 1700000000000
latency_seconds_bucket{instance="a-1",job="a",le="10",route="x"} 6 1700000000000
latency_seconds_bucket{instance="a-1",job="a",le="+Inf",route="x"} 10 1700000000000
latency_seconds_count{instance="a-1",job="a",route="x"} 10 1700000000000
latency_seconds_sum{instance="a-1",job="a",route="x"} 4 1700000000000
latency_seconds_bucket{instance="a-1",job="a",le="1",route="y"} 1 1700000000000
latency_seconds_bucket{instance="a-1",job="a",le="+Inf",route="y"} 2 1700000000000
latency_seconds_count{instance="a-1",job="a",route="y"} 2 1700000000000
latency_seconds_sum{instance="a-1",job="a",route="y"} 3 1700000000000
# HELP requests_total Said "so".\nTwice.
# TYPE requests_total counter
requests_total{code="200",instance="a-1",job="a"} 5 1700000000000
# TYPE sizes summary
sizes{instance="a-1",job="a",quantile="0.5"} 1 1700000000000
sizes{instance="a-1",job="a",quantile="0.99"} +Inf 1700000000000
sizes_count{instance="a-1",job="a"} 2 1700000000000
sizes_sum{instance="a-1",job="a"} 9 1700000000000
`

// TestExposition compares both formats with what they should be, and reads them with
// Prometheus' parser.
func TestExposition(t *testing.T) {
	c := &clock{start}
	db := open(t, t.TempDir(), metrics.Config{Now: c.Now})
	zero := 0.0
	requests := otlptest.Counter("requests", "", otlptest.Number(start, 5, "code", 200))
	requests.Description = "Said \"so\".\nTwice."
	gone := otlptest.Gauge("gone", "", &metricspb.NumberDataPoint{TimeUnixNano: otlptest.Nanos(start), Flags: 1})
	send(t, db, "a", requests, gone,
		otlptest.Gauge("a.b", "", otlptest.Number(start, zero/zero, "text", "\"q\"\\\n")),
		otlptest.Histogram("latency", "s", otlptest.Cumulative,
			otlptest.Buckets(start, 3, []float64{1}, []uint64{1, 1}, "route", "y"),
			otlptest.Buckets(start, 4, []float64{0.5, 2, 10}, []uint64{1, 2, 3, 4}, "route", "x")),
		otlptest.Summary("sizes", "", &metricspb.SummaryDataPoint{
			TimeUnixNano: otlptest.Nanos(start), Count: 2, Sum: 9,
			QuantileValues: []*metricspb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.99, Value: 1 / zero}, {Quantile: 0.5, Value: 1}},
		}))
	s := httptest.NewServer(db.Handler())
	defer s.Close()
	open := strings.NewReplacer("1700000000000", "1700000000", "# HELP requests_total Said \"so\"", "# HELP requests Said \\\"so\\\"", "# TYPE requests_total", "# TYPE requests").Replace(exposed) + "# EOF\n"
	for accept, want := range map[string]string{"": exposed, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5": open} {
		req, err := http.NewRequest(http.MethodGet, s.URL+"/metrics", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || string(got) != want {
			t.Errorf("accepting %q (%v):\n%s\nwant\n%s", accept, err, got, want)
		}
		p, err := textparse.New(got, res.Header.Get("Content-Type"), nil, textparse.ParserOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for {
			entry, err := p.Next()
			if errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			if entry == textparse.EntrySeries {
				n++
				var l labels.Labels
				p.Labels(&l)
				if l.Get("job") != "a" {
					t.Errorf("labels %s", l)
				}
			}
		}
		if n != 16 {
			t.Errorf("%d series are read, want 16", n)
		}
	}
}
