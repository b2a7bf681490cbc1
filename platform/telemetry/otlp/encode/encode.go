// Package encode makes OTLP of spans and log records: the other way round than package
// otlp, for who has them and wants to send them.
package encode

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Logs returns an ExportLogsServiceRequest in protobuf of the records of one instance of
// a service. The records' own Service and Resource are not used. Texts must be UTF-8;
// what is none is replaced. An empty instance is left out.
func Logs(service, instance string, records []signal.Log) []byte {
	res := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: text(service)}}}
	if instance != "" {
		res.Attributes = append(res.Attributes, &commonpb.KeyValue{Key: "service.instance.id", Value: text(instance)})
	}
	scopes := newGroups(records, func(l *signal.Log) string { return l.Scope })
	rl := &logspb.ResourceLogs{Resource: res}
	for _, scope := range scopes.order {
		sl := &logspb.ScopeLogs{Scope: &commonpb.InstrumentationScope{Name: valid(scope)}}
		for _, l := range scopes.items[scope] {
			sl.LogRecords = append(sl.LogRecords, record(l))
		}
		rl.ScopeLogs = append(rl.ScopeLogs, sl)
	}
	return marshal(&collectlogs.ExportLogsServiceRequest{ResourceLogs: []*logspb.ResourceLogs{rl}})
}

// Spans returns an ExportTraceServiceRequest in protobuf of spans of any services.
func Spans(spans []signal.Span) []byte { return marshal(Request(spans)) }

// Request returns what Spans does as a message. Spans of one service must have one
// Resource: that of the first of them counts.
func Request(spans []signal.Span) *collecttrace.ExportTraceServiceRequest {
	req := &collecttrace.ExportTraceServiceRequest{}
	services := newGroups(spans, func(s *signal.Span) string { return s.Service })
	for _, service := range services.order {
		list := services.items[service]
		res := &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: text(service)}}}
		res.Attributes = append(res.Attributes, attributes(list[0].Resource)...)
		rs := &tracepb.ResourceSpans{Resource: res}
		scopes := map[string]*tracepb.ScopeSpans{}
		for _, s := range list {
			ss := scopes[s.Scope]
			if ss == nil {
				ss = &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: valid(s.Scope)}}
				scopes[s.Scope] = ss
				rs.ScopeSpans = append(rs.ScopeSpans, ss)
			}
			ss.Spans = append(ss.Spans, span(s))
		}
		req.ResourceSpans = append(req.ResourceSpans, rs)
	}
	return req
}

// groups has items by a word, in the order of each word's first mention.
type groups[T any] struct {
	order []string
	items map[string][]*T
}

func newGroups[T any](list []T, word func(*T) string) groups[T] {
	g := groups[T]{items: map[string][]*T{}}
	for i := range list {
		w := word(&list[i])
		if g.items[w] == nil {
			g.order = append(g.order, w)
		}
		g.items[w] = append(g.items[w], &list[i])
	}
	return g
}

func record(l *signal.Log) *logspb.LogRecord {
	r := &logspb.LogRecord{
		TimeUnixNano:   nanos(l.Time),
		SeverityNumber: logspb.SeverityNumber(l.Severity),
		Body:           text(l.Body),
		Attributes:     attributes(l.Attributes),
	}
	if l.Severity > 0 {
		r.SeverityText = l.Severity.String()
	}
	if !l.Trace.IsZero() {
		r.TraceId = l.Trace[:]
	}
	if !l.Span.IsZero() {
		r.SpanId = l.Span[:]
	}
	return r
}

func span(s *signal.Span) *tracepb.Span {
	p := &tracepb.Span{
		TraceId: s.Trace[:], SpanId: s.ID[:], TraceState: valid(s.State), Name: valid(s.Name),
		Kind:              tracepb.Span_SpanKind(s.Kind),
		StartTimeUnixNano: nanos(s.Start), EndTimeUnixNano: nanos(s.End()),
		Attributes: attributes(s.Attributes),
		Flags:      uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK),
	}
	if s.Remote {
		p.Flags |= uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
	}
	if !s.Parent.IsZero() {
		p.ParentSpanId = s.Parent[:]
	}
	if s.Status != signal.Unset || s.Message != "" {
		p.Status = &tracepb.Status{Code: tracepb.Status_StatusCode(s.Status), Message: valid(s.Message)}
	}
	for _, e := range s.Events {
		p.Events = append(p.Events, &tracepb.Span_Event{TimeUnixNano: nanos(e.Time), Name: valid(e.Name), Attributes: attributes(e.Attributes)})
	}
	for _, l := range s.Links {
		p.Links = append(p.Links, &tracepb.Span_Link{TraceId: l.Trace[:], SpanId: l.Span[:], Attributes: attributes(l.Attributes)})
	}
	return p
}

func attributes(list signal.Attributes) []*commonpb.KeyValue {
	kvs := make([]*commonpb.KeyValue, 0, len(list))
	for _, a := range list {
		kvs = append(kvs, &commonpb.KeyValue{Key: valid(a.Key), Value: value(a.Value)})
	}
	return kvs
}

func value(v signal.Value) *commonpb.AnyValue {
	switch v.Type {
	case signal.Int:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v.Number)}}
	case signal.Float:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: math.Float64frombits(v.Number)}}
	case signal.Bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.Number != 0}}
	case signal.JSON:
		var parsed any
		if json.Unmarshal([]byte(v.Text), &parsed) == nil {
			return fromJSON(parsed)
		}
	case signal.String:
	}
	return text(v.Text)
}

// fromJSON makes a value of what encoding/json parsed. Bytes were kept as a text and stay
// one.
func fromJSON(v any) *commonpb.AnyValue {
	switch v := v.(type) {
	case string:
		return text(v)
	case bool:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v}}
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: int64(v)}}
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: v}}
	case []any:
		list := &commonpb.ArrayValue{}
		for _, e := range v {
			list.Values = append(list.Values, fromJSON(e))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	case map[string]any:
		list := &commonpb.KeyValueList{}
		for _, k := range slices.Sorted(maps.Keys(v)) {
			list.Values = append(list.Values, &commonpb.KeyValue{Key: k, Value: fromJSON(v[k])})
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: list}}
	}
	return &commonpb.AnyValue{}
}

func text(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: valid(s)}}
}

func nanos(t int64) uint64 { return uint64(max(t, 0)) }

// marshal fails only on texts that are no UTF-8, and those have been made valid.
func marshal(m proto.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil
	}
	return b
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
