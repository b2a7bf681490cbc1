package wire

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The walker reads what the protobuf library reads.

// sameSpans compares the two readings of any bytes. Where the library refuses them the

// walker may not: it does not look into what it passes over.

// Any JSON gives an error or protobuf that the walker reads.

// Fields may come in any order, and messages in pieces.

func TestOrderAndPieces(t *testing.T) {
	span := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("0123456789abcdef"))
	span = protowire.AppendBytes(protowire.AppendTag(span, 2, protowire.BytesType), []byte("01234567"))
	attr := func(key, value string) []byte {
		b, err := proto.Marshal(&resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: key, Value: str(value)}}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	field := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	scope := field(field(nil, 2, span), 1, []byte("\x0a\x05scope"))
	rs := field(field(field(nil, 2, scope), 1, attr("zone", "a")), 1, attr("service.name", "late"))
	raw := field(nil, 1, rs)
	if err := sameSpans(raw); err != nil {
		t.Fatal(err)
	}
	var got signal.Span
	if err := Spans(string(raw), wide, func(s *signal.Span, _ Meta) { got = *s }); err != nil {
		t.Fatal(err)
	}
	if got.Service != "late" || got.Scope != "scope" || got.Resource.Text("zone") != "a" {
		t.Errorf("read %+v", got)
	}
}

func one(t *testing.T, s *tracepb.Span, lim Limits) (signal.Span, Meta) {
	t.Helper()
	s.TraceId, s.SpanId = []byte("0123456789abcdef"), []byte("01234567")
	raw, err := proto.Marshal(&collecttrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{s}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var got signal.Span
	var meta Meta
	if err := Spans(string(raw), lim, func(s *signal.Span, m Meta) { got, meta = *s, m }); err != nil {
		t.Fatal(err)
	}
	return got, meta
}

// What is too long or too much is cut, marked and told.

func TestLimits(t *testing.T) {
	lim := Limits{Value: 10, List: 2}
	kv := func(k, v string) *commonpb.KeyValue { return &commonpb.KeyValue{Key: k, Value: str(v)} }

	s, m := one(t, &tracepb.Span{Attributes: []*commonpb.KeyValue{kv("a", "123456789é"), kv("b", "1234567890"), kv("c", "x")}}, lim)
	want := signal.Attributes{{Key: "a", Value: signal.StringValue("123456789" + Mark)}, {Key: "b", Value: signal.StringValue("1234567890")}}
	if !reflect.DeepEqual(s.Attributes, want) || m.Repairs != CutText|CutList {
		t.Errorf("attributes %v, repairs %b", s.Attributes, m.Repairs)
	}
	s, m = one(t, &tracepb.Span{
		Events: []*tracepb.Span_Event{{Name: "1"}, {Name: "2", Attributes: []*commonpb.KeyValue{kv("a", "1"), kv("b", "1"), kv("c", "1")}}, {Name: "3"}},
		Links:  []*tracepb.Span_Link{{}, {TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567")}, {}},
	}, lim)
	if len(s.Events) != 2 || len(s.Events[1].Attributes) != 2 || len(s.Links) != 1 || m.Repairs != CutList|BadLink {
		t.Errorf("events %v, links %v, repairs %b", s.Events, s.Links, m.Repairs)
	}
	deep := str("x")
	for range 100 {
		deep = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{deep}}}}
	}
	s, m = one(t, &tracepb.Span{Attributes: []*commonpb.KeyValue{{Key: "deep", Value: deep}}}, wide)
	if got, want := s.Attributes.Text("deep"), strings.Repeat("[", maxDepth)+"null"+strings.Repeat("]", maxDepth); got != want || m.Repairs != Deep {
		t.Errorf("deep: %s, repairs %b", got, m.Repairs)
	}
	s, m = one(t, &tracepb.Span{StartTimeUnixNano: 5, EndTimeUnixNano: 3, Name: strings.Repeat("n", 5000)}, wide)
	if s.Start != 5 || s.Duration != 0 || len(s.Name) != maxName+len(Mark) || m.Repairs != EndFirst|CutText {
		t.Errorf("span %+v, repairs %b", s, m.Repairs)
	}
	_, m = one(t, &tracepb.Span{Attributes: []*commonpb.KeyValue{kv("a", strings.Repeat("x", 5000)), kv("b", strings.Repeat("y", 7000))}}, wide)
	if m.Size < 12000 || m.Size > 12300 {
		t.Errorf("size %d", m.Size)
	}
	for i := range Repairs {
		if Repair(1<<i).String() == "" {
			t.Errorf("repair %d has no name", i)
		}
	}
	if Repair(1<<Repairs).String() != "" {
		t.Error("there are more repairs than Repairs")
	}
}

// Bytes that are no UTF-8 are replaced, by the walker and by Clean.

func TestBadText(t *testing.T) {
	raw, err := proto.Marshal(drawn(t))
	if err != nil {
		t.Fatal(err)
	}
	bad := []byte(strings.ReplaceAll(string(raw), "cafe", "ca\xff\xfe"))
	if proto.Unmarshal(bad, &collecttrace.ExportTraceServiceRequest{}) == nil {
		t.Fatal("the library reads bad UTF-8: then this test tells nothing")
	}
	clean := Clean(bad, Request(Traces).ProtoReflect().Descriptor())
	for name, body := range map[string][]byte{"bad": bad, "clean": clean} {
		var got signal.Span
		var m Meta
		if err := Spans(string(body), wide, func(s *signal.Span, meta Meta) { got, m = *s, meta }); err != nil {
			t.Fatal(err)
		}
		if got.Name != "ca\uFFFD" || got.Attributes.Text("k") != `["ca�"]` || (m.Repairs == BadText) != (name == "bad") {
			t.Errorf("%s: %q, %v, repairs %b", name, got.Name, got.Attributes, m.Repairs)
		}
	}
	if err := proto.Unmarshal(clean, &collecttrace.ExportTraceServiceRequest{}); err != nil {
		t.Error(err)
	}
	if string(Clean(raw, Request(Traces).ProtoReflect().Descriptor())) != string(raw) {
		t.Error("Clean changed what is clean")
	}
	_ = Clean(bad[:len(bad)-3], Request(Traces).ProtoReflect().Descriptor()) // malformed: whatever
}

func drawn(*testing.T) *collecttrace.ExportTraceServiceRequest {
	list := &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{str("cafe")}}}}
	return &collecttrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{
		{TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Name: "cafe", Attributes: []*commonpb.KeyValue{{Key: "k", Value: list}}},
	}}}}}}
}

func TestMalformed(t *testing.T) {
	raw, err := proto.Marshal(drawn(t))
	if err != nil {
		t.Fatal(err)
	}
	err = Spans(string(raw[:len(raw)-1]), wide, func(*signal.Span, Meta) {})
	if !errors.Is(err, ErrMalformed) {
		t.Errorf("cut short: %v", err)
	}
	if _, _, err := Count(Metrics, "\x0a\xff"); !errors.Is(err, ErrMalformed) {
		t.Errorf("count: %v", err)
	}
}

func TestCountPoints(t *testing.T) {
	attrs := []*commonpb.KeyValue{{Key: "a", Value: str("b")}, {Key: "c"}}
	raw, err := proto.Marshal(&collectmetrics.ExportMetricsServiceRequest{ResourceMetrics: []*metricspb.ResourceMetrics{{ScopeMetrics: []*metricspb.ScopeMetrics{{Metrics: []*metricspb.Metric{
		{Name: "g", Data: &metricspb.Metric_Gauge{Gauge: &metricspb.Gauge{DataPoints: []*metricspb.NumberDataPoint{{Attributes: attrs}, {}}}}},
		{Name: "h", Data: &metricspb.Metric_Histogram{Histogram: &metricspb.Histogram{DataPoints: []*metricspb.HistogramDataPoint{{Attributes: attrs}}}}},
		{Name: "s", Data: &metricspb.Metric_Summary{Summary: &metricspb.Summary{DataPoints: []*metricspb.SummaryDataPoint{{}}}}},
	}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	points, parts, err := Count(Metrics, string(raw))
	if err != nil || points != 4 || parts < 4 {
		t.Errorf("%d points, %d parts, %v", points, parts, err)
	}
}

func TestFromJSON(t *testing.T) {
	body := `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},
		"scopeSpans":[{"scope":{"name":"s"},"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"EEE19B7EC3C1B174","parentSpanId":"",
		"name":"half \ud83d, whole \ud83d\ude00, not \\ud83d","startTimeUnixNano":"1544712660000000000","endTimeUnixNano":1544712661000000000,"kind":2,"unknown":{"a":[1]},
		"attributes":[{"key":"n","value":{"intValue":"9007199254740993"}},{"key":"d","value":{"doubleValue":"NaN"}},{"key":"b","value":{"bytesValue":"aGk="}}],
		"links":[{"traceId":"00000000000000000000000000000001","spanId":"0000000000000002"},{"traceId":"xyz","spanId":"0000000000000002"}]},
		{"traceId":"zz8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},{"traceId":"5b8e","spanId":"eee19b7ec3c1b174"}]}]}]}`
	raw, err := FromJSON(Traces, []byte(strings.Replace(body, "xyz", "xyz0", 1)))
	if err != nil {
		t.Fatal(err)
	}
	var got []signal.Span
	var bad []bool
	if err := Spans(string(raw), wide, func(s *signal.Span, m Meta) { got, bad = append(got, *s), append(bad, m.BadID) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(bad, []bool{false, true, true}) {
		t.Fatalf("bad ids: %v", bad)
	}
	s := got[0]
	if s.Trace.String() != "5b8efff798038103d269b633813fc60c" || s.ID.String() != "eee19b7ec3c1b174" || s.Duration != 1e9 || s.Kind != signal.Server {
		t.Errorf("span %+v", s)
	}
	if want := "half \uFFFD, whole 😀, not \\ud83d"; s.Name != want {
		t.Errorf("name %q, want %q", s.Name, want)
	}
	if s.Attributes.Text("n") != "9007199254740993" || s.Attributes.Text("d") != "NaN" || s.Attributes.Text("b") != `"aGk="` || len(s.Links) != 1 {
		t.Errorf("attributes %v, links %v", s.Attributes, s.Links)
	}
	if raw, err = FromJSON(Logs, []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"5b8efff798038103d269b633813fc60c","body":{"stringValue":"a`+"\xff"+`b"}}]}]}]}`)); err != nil {
		t.Fatal(err)
	}
	if err := Records(string(raw), wide, func(l *signal.Log, _ Meta) {
		if l.Body != "a\uFFFDb" || l.Trace.IsZero() {
			t.Errorf("record %+v", l)
		}
	}); err != nil {
		t.Error(err)
	}
	for _, body := range []string{"", "{", "[]", `{"resourceSpans":3}`} {
		if _, err := FromJSON(Traces, []byte(body)); err == nil {
			t.Errorf("%q was read", body)
		}
	}
	if _, err := FromJSON("profiles", nil); err == nil {
		t.Error("profiles were read")
	}
}
