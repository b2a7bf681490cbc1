package scene

import (
	"math"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"testing"
	"time"

	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/musterdev/muster/platform/telemetry/metrics"
)

var routes = map[string]string{
	"cart": "/v1/carts/{id}/lines/{product}", "catalog": "/v1/products", "orders": "/v1/orders", "payments": "/webhooks/card",
	"card": "/v1/charges", "notify": "/events", "shipping": "/v1/parcels", "inventory": "/v1/stock",
}

// newMetrics returns a database with two days of the shop's metrics: memory and
// goroutines each minute, and in the last hour the durations of requests each 15 s.
func newMetrics(t testing.TB) (h http.Handler, end func()) {
	t.Helper()
	dir, err := os.MkdirTemp("", "muster-scene-") //nolint:usetesting // it outlives the test that is the first to look
	if err != nil {
		t.Fatal(err)
	}
	db, err := metrics.Open(dir, metrics.Config{Now: func() time.Time { return moment }})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(8, 8))
	made := map[string]*traffic{}
	services := slices.Sorted(mapKeys(routes))
	for at := moment.Add(-48 * time.Hour); !at.After(moment); {
		lately := moment.Sub(at) <= time.Hour
		req := &colmetricspb.ExportMetricsServiceRequest{}
		for i, name := range services {
			if made[name] == nil {
				made[name] = &traffic{counts: make([]uint64, len(bounds)+1)}
			}
			day := math.Sin(float64(at.Unix()%86_400)/86_400*2*math.Pi - 1.5)
			list := []*metricspb.Metric{
				gauge("process.memory.usage", "By", at, 4e7*(1+0.2*float64(i))+1e7*day+rng.NormFloat64()*6e5),
				gauge("go.goroutine.count", "{goroutine}", at, math.Round(40+float64(i)*6+12*day+rng.NormFloat64()*3)),
			}
			if lately {
				made[name].serve(rng, at, 30+i*18)
				list = append(list, made[name].histogram(at, routes[name]))
			}
			req.ResourceMetrics = append(req.ResourceMetrics, &metricspb.ResourceMetrics{
				Resource:     &resourcepb.Resource{Attributes: []*commonpb.KeyValue{text("service.name", name), text("service.instance.id", name+"-1")}},
				ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: list}},
			})
		}
		if n, why, err := db.Append(t.Context(), req); err != nil || n > 0 {
			t.Fatalf("appending the scene's metrics: %d rejected, %s: %v", n, why, err)
		}
		if lately {
			at = at.Add(15 * time.Second)
		} else {
			at = at.Add(time.Minute)
		}
	}
	return db.Handler(), func() {
		_ = db.Close()
		_ = os.RemoveAll(dir)
	}
}

var bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5}

// traffic counts requests as a histogram does.
type traffic struct {
	counts []uint64
	n      uint64
	sum    float64
}

func (tr *traffic) serve(rng *rand.Rand, at time.Time, n int) {
	slow := 1.0
	if moment.Sub(at) < 4*time.Minute {
		slow = 3
	}
	for range n {
		d := 0.012 * slow * math.Exp(rng.NormFloat64()*0.8)
		i, _ := slices.BinarySearch(bounds, d)
		tr.counts[i]++
		tr.n++
		tr.sum += d
	}
}

func (tr *traffic) histogram(at time.Time, route string) *metricspb.Metric {
	sum := tr.sum
	return &metricspb.Metric{Name: "http.server.request.duration", Unit: "s", Description: "Duration of HTTP server requests.", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{
		AggregationTemporality: metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE,
		DataPoints: []*metricspb.HistogramDataPoint{{
			TimeUnixNano: uint64(at.UnixNano()), StartTimeUnixNano: uint64(moment.Add(-time.Hour).UnixNano()), Count: tr.n, Sum: &sum,
			BucketCounts: slices.Clone(tr.counts), ExplicitBounds: bounds,
			Attributes: []*commonpb.KeyValue{text("http.request.method", "GET"), text("http.route", route), text("http.response.status_code", "200")},
		}},
	}}}
}

func gauge(name, unit string, at time.Time, v float64) *metricspb.Metric {
	return &metricspb.Metric{Name: name, Unit: unit, Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{
		DataPoints: []*metricspb.NumberDataPoint{{TimeUnixNano: uint64(at.UnixNano()), Value: &metricspb.NumberDataPoint_AsDouble{AsDouble: v}}},
	}}}
}

func text(key, value string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: value}}}
}
