package wire

import (
	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"pgregory.net/rapid"
)

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func drawValue(t *rapid.T, depth int) *commonpb.AnyValue {
	most := 7
	if depth > 3 {
		most = 4
	}
	switch rapid.IntRange(0, most).Draw(t, "type") {
	case 1:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: rapid.Bool().Draw(t, "bool")}}
	case 2:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: rapid.Int64().Draw(t, "int")}}
	case 3:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_DoubleValue{DoubleValue: rapid.Float64().Draw(t, "double")}}
	case 4:
		return nil
	case 5:
		list := &commonpb.ArrayValue{}
		for range rapid.IntRange(0, 3).Draw(t, "values") {
			v := drawValue(t, depth+1)
			if v == nil {
				v = &commonpb.AnyValue{}
			}
			list.Values = append(list.Values, v)
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	case 6:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: drawAttributes(t, depth+1)}}}
	case 7:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")}}
	}
	return str(rapid.String().Draw(t, "text"))
}

func drawAttributes(t *rapid.T, depth int) []*commonpb.KeyValue {
	var all []*commonpb.KeyValue
	for range rapid.IntRange(0, 3).Draw(t, "attributes") {
		all = append(all, &commonpb.KeyValue{
			Key:   rapid.SampledFrom([]string{"service.name", "http.route", "", "k", "é"}).Draw(t, "key"),
			Value: drawValue(t, depth),
		})
	}
	return all
}

func drawID(t *rapid.T, n int) []byte {
	switch rapid.IntRange(0, 9).Draw(t, "id") {
	case 0:
		return nil
	case 1:
		return make([]byte, n)
	case 2:
		return make([]byte, n-1)
	}
	return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "bytes of id")
}

func drawResource(t *rapid.T) *resourcepb.Resource {
	if rapid.Bool().Draw(t, "no resource") {
		return nil
	}
	return &resourcepb.Resource{Attributes: drawAttributes(t, 0)}
}

func drawTraces(t *rapid.T) *collecttrace.ExportTraceServiceRequest {
	req := &collecttrace.ExportTraceServiceRequest{}
	for range rapid.IntRange(0, 2).Draw(t, "resources") {
		rs := &tracepb.ResourceSpans{Resource: drawResource(t), SchemaUrl: "s"}
		for range rapid.IntRange(0, 2).Draw(t, "scopes") {
			ss := &tracepb.ScopeSpans{Scope: &commonpb.InstrumentationScope{Name: rapid.String().Draw(t, "scope"), Attributes: drawAttributes(t, 0)}}
			for range rapid.IntRange(0, 2).Draw(t, "spans") {
				s := &tracepb.Span{
					TraceId: drawID(t, 16), SpanId: drawID(t, 8), ParentSpanId: drawID(t, 8), TraceState: rapid.String().Draw(t, "state"),
					Name: rapid.String().Draw(t, "name"), Kind: tracepb.Span_SpanKind(rapid.Int32Range(-1, 7).Draw(t, "kind")),
					StartTimeUnixNano: rapid.Uint64().Draw(t, "start"), EndTimeUnixNano: rapid.Uint64().Draw(t, "end"),
					Attributes: drawAttributes(t, 0), Flags: rapid.Uint32().Draw(t, "flags"), DroppedAttributesCount: 3,
				}
				if rapid.Bool().Draw(t, "status") {
					s.Status = &tracepb.Status{Code: tracepb.Status_StatusCode(rapid.Int32Range(-1, 3).Draw(t, "code")), Message: rapid.String().Draw(t, "message")}
				}
				for range rapid.IntRange(0, 2).Draw(t, "events") {
					s.Events = append(s.Events, &tracepb.Span_Event{TimeUnixNano: rapid.Uint64().Draw(t, "at"), Name: rapid.String().Draw(t, "event"), Attributes: drawAttributes(t, 0)})
				}
				for range rapid.IntRange(0, 2).Draw(t, "links") {
					s.Links = append(s.Links, &tracepb.Span_Link{TraceId: drawID(t, 16), SpanId: drawID(t, 8), Attributes: drawAttributes(t, 0)})
				}
				ss.Spans = append(ss.Spans, s)
			}
			rs.ScopeSpans = append(rs.ScopeSpans, ss)
		}
		req.ResourceSpans = append(req.ResourceSpans, rs)
	}
	return req
}

func drawLogs(t *rapid.T) *collectlogs.ExportLogsServiceRequest {
	req := &collectlogs.ExportLogsServiceRequest{}
	for range rapid.IntRange(0, 2).Draw(t, "resources") {
		rl := &logspb.ResourceLogs{Resource: drawResource(t)}
		sl := &logspb.ScopeLogs{}
		for range rapid.IntRange(0, 3).Draw(t, "records") {
			sl.LogRecords = append(sl.LogRecords, &logspb.LogRecord{
				TimeUnixNano: rapid.Uint64().Draw(t, "time"), ObservedTimeUnixNano: rapid.Uint64().Draw(t, "observed"),
				SeverityNumber: logspb.SeverityNumber(rapid.Int32Range(-1, 26).Draw(t, "severity")),
				SeverityText:   rapid.SampledFrom([]string{"", "WARN", "info", "?"}).Draw(t, "level"),
				Body:           drawValue(t, 0), Attributes: drawAttributes(t, 0),
				TraceId: drawID(t, 16), SpanId: drawID(t, 8), EventName: rapid.SampledFrom([]string{"", "exception"}).Draw(t, "event"),
			})
		}
		rl.ScopeLogs = append(rl.ScopeLogs, sl)
		req.ResourceLogs = append(req.ResourceLogs, rl)
	}
	return req
}
