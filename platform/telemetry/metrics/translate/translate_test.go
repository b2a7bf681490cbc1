package translate_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	colmetricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
	"github.com/musterdev/muster/platform/telemetry/metrics/sample"
	"github.com/musterdev/muster/platform/telemetry/metrics/translate"
)

var update = flag.Bool("update", false, "write the golden file anew")

var now = time.UnixMilli(1_700_000_000_000)

func translator() *translate.Translator {
	return translate.New(translate.Config{Namespace: "shop", Ahead: 10 * time.Minute, MaxDeltas: 1000})
}

// show writes what a request is translated to, a sample a line.
func show(t *translate.Translator, req *colmetricspb.ExportMetricsServiceRequest) string {
	var b bytes.Buffer
	families := map[string]string{}
	t.Points(req, now, func(p *sample.Point) {
		if p.Refused != "" {
			fmt.Fprintf(&b, "refused %s of %s: %s\n", p.Metric, p.Service, p.Refused)
			return
		}
		for _, s := range p.Samples {
			v := strconv.FormatFloat(s.Value, 'g', -1, 64)
			if s.Histogram != nil {
				v = s.Histogram.String()
			}
			fmt.Fprintf(&b, "%s %s @%d", s.Labels, v, s.Time-now.UnixMilli())
			if s.Zero != 0 {
				fmt.Fprintf(&b, " zero@%d", s.Zero-now.UnixMilli())
			}
			for _, e := range s.Exemplars {
				fmt.Fprintf(&b, " # %s %v", e.Labels, e.Value)
			}
			b.WriteByte('\n')
		}
	}, func(family string, m sample.Meta) {
		families[family] = fmt.Sprintf("# %s %s unit=%s help=%s\n", family, m.Type, m.Unit, m.Help)
	})(true)
	for _, line := range slices.Sorted(func(yield func(string) bool) {
		for _, l := range families {
			if !yield(l) {
				return
			}
		}
	}) {
		b.WriteString(line)
	}
	return b.String()
}

func point(v float64, attributes ...any) *metricspb.NumberDataPoint {
	return otlptest.Number(now, v, attributes...)
}

// TestNamesAndLabels compares what each kind of metric becomes with a golden file, which
// was read against the specification.
func TestNamesAndLabels(t *testing.T) {
	described := otlptest.Counter("http.server.active", "{request}", point(1))
	described.Description = "Requests."
	start := point(7)
	start.StartTimeUnixNano = otlptest.Nanos(now.Add(-2 * time.Second))
	none := &metricspb.NumberDataPoint{TimeUnixNano: otlptest.Nanos(now), Flags: 1}
	hist := otlptest.Buckets(now, 4.5, []float64{0.1, 1, 10}, []uint64{1, 2, 3, 4}, "http.route", "/v1/orders")
	hist.Exemplars = []*metricspb.Exemplar{
		{TimeUnixNano: otlptest.Nanos(now), TraceId: bytes.Repeat([]byte{0xab}, 16), SpanId: bytes.Repeat([]byte{1}, 8), Value: &metricspb.Exemplar_AsDouble{AsDouble: 0.5}},
		{TimeUnixNano: otlptest.Nanos(now), Value: &metricspb.Exemplar_AsInt{AsInt: 99}, FilteredAttributes: otlptest.Attributes("user.id", "u7", "long", strings.Repeat("x", 200))},
	}
	noSum := otlptest.Buckets(now, 0, []float64{1}, []uint64{1, 1})
	noSum.Sum = nil
	expo := func(scale, offset int32, counts ...uint64) *metricspb.ExponentialHistogramDataPoint {
		sum := 12.5
		return &metricspb.ExponentialHistogramDataPoint{
			TimeUnixNano: otlptest.Nanos(now), Scale: scale, Sum: &sum, Count: 9, ZeroCount: 1,
			Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: offset, BucketCounts: counts},
		}
	}
	nested := &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{
		otlptest.Attributes("", "a")[0].GetValue(), otlptest.Attributes("", 2)[0].GetValue(),
	}}}}
	withArray := point(1)
	withArray.Attributes = []*commonpb.KeyValue{{Key: "list", Value: nested}}
	full := otlptest.Request("orders", "orders-1", otlptest.Gauge("g", "", point(1)))
	full.ResourceMetrics[0].Resource.Attributes = otlptest.Attributes("service.name", "orders", "service.namespace", "shop",
		"service.instance.id", "orders-1", "service.version", "1.2", "host.name", "box")
	foreign := proto.CloneOf(full)
	foreign.ResourceMetrics[0].Resource.Attributes[1] = otlptest.Attributes("service.namespace", "other")[0]

	var b strings.Builder
	for _, c := range []struct {
		name string
		req  *colmetricspb.ExportMetricsServiceRequest
	}{
		{"a gauge with units", otlptest.Request("a", "a-1", otlptest.Gauge("process.memory.usage", "By", point(3)), otlptest.Gauge("cpu.load", "1", point(0.5)), otlptest.Gauge("speed", "m/s", point(9)))},
		{"counters", otlptest.Request("a", "a-1", described, otlptest.Counter("jobs", "", start), otlptest.Counter("bytes_total", "By", point(1)))},
		{"a sum that falls", otlptest.Request("a", "a-1", otlptest.Sum("queue.length", "{message}", false, otlptest.Cumulative, point(4)))},
		{"a histogram", otlptest.Request("a", "a-1", otlptest.Histogram("http.server.request.duration", "s", otlptest.Cumulative, hist))},
		{"a histogram without sum", otlptest.Request("a", "a-1", otlptest.Histogram("h", "", otlptest.Cumulative, noSum))},
		{"an exponential histogram", otlptest.Request("a", "a-1", otlptest.Exponential("e", "ms", otlptest.Cumulative, expo(3, -2, 1, 2, 0, 5)))},
		{"finer than Prometheus has", otlptest.Request("a", "a-1", otlptest.Exponential("e", "ms", otlptest.Cumulative, expo(10, 3, 1, 2, 0, 5)))},
		{"a summary", otlptest.Request("a", "a-1", otlptest.Summary("s", "s", &metricspb.SummaryDataPoint{
			TimeUnixNano: otlptest.Nanos(now), Count: 4, Sum: 8, QuantileValues: []*metricspb.SummaryDataPoint_ValueAtQuantile{{Quantile: 0.5, Value: 1}, {Quantile: 0.99, Value: 3}},
		}))},
		{"no value", otlptest.Request("a", "a-1", otlptest.Gauge("g", "", none), otlptest.Histogram("h", "", otlptest.Cumulative, &metricspb.HistogramDataPoint{TimeUnixNano: otlptest.Nanos(now), Flags: 1}))},
		{"labels", otlptest.Request("a", "a-1", otlptest.Gauge("g", "", point(1, "http.method", "GET", "9lives", true, "n", 4, "f", 0.5, "empty", "", "b.c", "2", "b/c", "1", "job", "mine", "__name__", "x"), withArray))},
		{"a resource of the fleet", full},
		{"a resource of another namespace", foreign},
		{"nobody", &colmetricspb.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{otlptest.Gauge("g", "", point(1))}}}}}}},
		{"refused", otlptest.Request("a", "a-1",
			otlptest.Sum("u", "", true, 0, point(1)),
			otlptest.Gauge("__", "", point(1)),
			otlptest.Gauge("late", "", otlptest.Number(now.Add(time.Hour), 1)),
			otlptest.Gauge("long", "", point(1, "x", strings.Repeat("y", 5000))),
			otlptest.Gauge("empty", "", &metricspb.NumberDataPoint{}),
			otlptest.Histogram("order", "", otlptest.Cumulative, otlptest.Buckets(now, 1, []float64{2, 1}, []uint64{1, 1, 1})),
			otlptest.Histogram("counts", "", otlptest.Cumulative, otlptest.Buckets(now, 1, []float64{1, 2}, []uint64{1, 1})),
			otlptest.Exponential("coarse", "", otlptest.Cumulative, expo(-9, 0, 1)),
			otlptest.Exponential("far", "", otlptest.Cumulative, expo(0, 2_000_000_000, 1)),
		)},
	} {
		fmt.Fprintf(&b, "== %s\n%s", c.name, show(translator(), c.req))
	}
	const golden = "testdata/translated.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", b.String(), want)
	}
}

// TestDeltasAreSummedUp sends differences of every kind, one of them twice.
func TestDeltasAreSummedUp(t *testing.T) {
	tr := translator()
	send := func(after time.Duration, kept bool, metrics ...*metricspb.Metric) (values []string) {
		tr.Points(otlptest.Request("a", "", metrics...), now.Add(after), func(p *sample.Point) {
			if p.Refused != "" {
				values = append(values, p.Refused)
			}
			for _, s := range p.Samples {
				if s.Histogram != nil {
					values = append(values, s.Histogram.String())
					continue
				}
				values = append(values, strconv.FormatFloat(s.Value, 'g', -1, 64))
			}
		}, func(string, sample.Meta) {})(kept)
		return values
	}
	at := func(after time.Duration, v float64) *metricspb.Metric {
		return otlptest.Sum("c", "", true, otlptest.Delta, otlptest.Number(now.Add(after), v))
	}
	hist := func(after time.Duration, counts ...uint64) *metricspb.Metric {
		return otlptest.Histogram("h", "", otlptest.Delta, otlptest.Buckets(now.Add(after), 2, []float64{1}, counts))
	}
	expo := func(after time.Duration, scale int32, counts ...uint64) *metricspb.Metric {
		var sum float64
		p := &metricspb.ExponentialHistogramDataPoint{
			TimeUnixNano: otlptest.Nanos(now.Add(after)), Scale: scale, Sum: &sum,
			Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{BucketCounts: counts},
		}
		for _, n := range counts {
			p.Count += n
		}
		return otlptest.Exponential("e", "", otlptest.Delta, p)
	}
	late := "a delta that is not newer than the one before"
	for i, c := range []struct {
		got, want []string
	}{
		{send(0, true, at(0, 2)), []string{"2"}},
		{send(time.Second, false, at(time.Second, 3)), []string{"5"}}, // not kept: it comes again
		{send(time.Second, true, at(time.Second, 3)), []string{"5"}},
		{send(time.Second, true, at(time.Second, 3)), []string{late}},
		{send(2*time.Second, true, at(2*time.Second, 1), at(3*time.Second, 1)), []string{"6", "7"}},
		{send(0, true, hist(0, 1, 2)), []string{"2", "3", "1", "3"}},
		{send(time.Second, true, hist(time.Second, 1, 0)), []string{"4", "4", "2", "4"}},
		{send(0, true, expo(0, 1, 1, 1)), []string{"{count:2, sum:0, (1,1.414213562373095]:1, (1.414213562373095,2]:1}"}},
		{send(time.Second, true, expo(time.Second, 0, 3)), []string{"{count:5, sum:0, (1,2]:5}"}},
	} {
		if !slices.Equal(c.got, c.want) {
			t.Errorf("%d: %q, want %q", i, c.got, c.want)
		}
	}
	tr.Forget(now.Add(time.Hour))
	if got := send(time.Minute, true, at(time.Minute, 4)); !slices.Equal(got, []string{"4"}) {
		t.Errorf("after a pause: %q, want the sum to begin anew", got)
	}
}

func TestSeriesOfDeltasAreBounded(t *testing.T) {
	tr := translate.New(translate.Config{Ahead: time.Minute, MaxDeltas: 10})
	refused := 0
	var points []*metricspb.NumberDataPoint
	for i := range 15 {
		points = append(points, point(1, "id", i))
	}
	tr.Points(otlptest.Request("a", "", otlptest.Sum("c", "", true, otlptest.Delta, points...)), now, func(p *sample.Point) {
		if p.Refused != "" {
			refused++
		}
	}, func(string, sample.Meta) {})(true)
	if refused != 5 {
		t.Errorf("%d refused, want 5", refused)
	}
}

// TestZero tells that a counter which was not there when its instance sent before was zero then.
func TestZero(t *testing.T) {
	tr := translator()
	zero := func(after time.Duration, name string) (zero int64) {
		tr.Points(otlptest.Request("a", "a-1", otlptest.Counter(name, "", otlptest.Number(now.Add(after), 1))), now.Add(after), func(p *sample.Point) {
			zero = p.Samples[0].Zero
		}, func(string, sample.Meta) {})(true)
		return zero
	}
	if got := zero(0, "a"); got != 0 {
		t.Errorf("the first of an instance: zero at %d, want that nobody knows", got)
	}
	if got := zero(100*time.Millisecond, "b"); got != 0 {
		t.Errorf("of the same collection: zero at %d, want that nobody knows", got)
	}
	if got := zero(5*time.Second, "c"); got != now.UnixMilli() {
		t.Errorf("of the next: zero at %d, want %d", got, now.UnixMilli())
	}
	if got := zero(5*time.Second+time.Millisecond, "d"); got != now.UnixMilli() {
		t.Errorf("another of the next: zero at %d, want %d", got, now.UnixMilli())
	}
}

// FuzzPoints translates anything; every point must be yielded once.
func FuzzPoints(f *testing.F) {
	sum := 1.0
	seed, err := proto.Marshal(otlptest.Request("a", "1",
		otlptest.Sum("c", "s", true, otlptest.Delta, point(1, "k", "v")),
		otlptest.Histogram("h", "By", otlptest.Delta, otlptest.Buckets(now, 1, []float64{1, 2}, []uint64{1, 2, 3})),
		otlptest.Exponential("e", "", otlptest.Delta, &metricspb.ExponentialHistogramDataPoint{
			TimeUnixNano: otlptest.Nanos(now), Scale: 3, Sum: &sum, Count: 3,
			Positive: &metricspb.ExponentialHistogramDataPoint_Buckets{Offset: -1, BucketCounts: []uint64{1, 2}},
		})))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, data []byte) {
		req := &colmetricspb.ExportMetricsServiceRequest{}
		if proto.Unmarshal(data, req) != nil {
			t.Skip()
		}
		want := 0
		for _, rm := range req.GetResourceMetrics() {
			for _, sm := range rm.GetScopeMetrics() {
				for _, m := range sm.GetMetrics() {
					want += len(m.GetGauge().GetDataPoints()) + len(m.GetSum().GetDataPoints()) + len(m.GetHistogram().GetDataPoints()) +
						len(m.GetExponentialHistogram().GetDataPoints()) + len(m.GetSummary().GetDataPoints())
				}
			}
		}
		tr, got := translator(), 0
		for range 2 {
			tr.Points(req, now, func(p *sample.Point) {
				if !p.Extra {
					got++
				}
				for _, s := range p.Samples {
					if !s.Labels.IsValid(model.LegacyValidation) && p.Refused == "" {
						t.Errorf("labels %s", s.Labels)
					}
				}
			}, func(string, sample.Meta) {})(true)
		}
		if got != 2*want {
			t.Errorf("%d points of %d", got, 2*want)
		}
	})
}

func BenchmarkPoints(b *testing.B) {
	var points []*metricspb.HistogramDataPoint
	for i := range 20 {
		points = append(points, otlptest.Buckets(now, 1, []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}, make([]uint64, 12), "http.route", fmt.Sprint("/v1/", i), "http.request.method", "GET"))
	}
	req := otlptest.Request("orders", "orders-1", otlptest.Histogram("http.server.request.duration", "s", otlptest.Cumulative, points...))
	tr := translator()
	b.ReportAllocs()
	samples := 0
	for b.Loop() {
		tr.Points(req, now, func(p *sample.Point) { samples += len(p.Samples) }, func(string, sample.Meta) {})(true)
	}
	b.ReportMetric(float64(samples)/b.Elapsed().Seconds(), "samples/s")
}
