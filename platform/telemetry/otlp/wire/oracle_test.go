package wire

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"strconv"
	"strings"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The oracle: the same as the walker makes, made the plain way of what the protobuf
// library read.

var wide = Limits{Value: 1 << 20, List: 1 << 20}

type oracleSpan struct {
	span  signal.Span
	badID bool
	end   int64
}

// bare leaves out what nobody will read: a span without an id is not kept.
func (o oracleSpan) bare() oracleSpan {
	if o.badID {
		return oracleSpan{badID: true}
	}
	return o
}

func oracleSpans(req *collecttrace.ExportTraceServiceRequest) []oracleSpan {
	var all []oracleSpan
	for _, rs := range req.ResourceSpans {
		service, attrs := oracleResource(rs.GetResource())
		for _, ss := range rs.ScopeSpans {
			for _, p := range ss.Spans {
				s := signal.Span{Service: service, Resource: attrs, Scope: oracleName(ss.GetScope().GetName()), Name: oracleName(p.Name), State: p.TraceState, Message: p.GetStatus().GetMessage()}
				if len(s.State) > maxState {
					s.State = ""
				}
				o := oracleSpan{}
				o.badID = copy(s.Trace[:], p.TraceId) != 16 || len(p.TraceId) != 16 || s.Trace.IsZero()
				o.badID = copy(s.ID[:], p.SpanId) != 8 || len(p.SpanId) != 8 || s.ID.IsZero() || o.badID
				o.badID = len(p.ParentSpanId) != 0 && len(p.ParentSpanId) != 8 || o.badID
				copy(s.Parent[:], p.ParentSpanId)
				if p.Kind >= 0 && p.Kind <= 5 {
					s.Kind = signal.Kind(p.Kind)
				}
				if c := p.GetStatus().GetCode(); c >= 0 && c <= 2 {
					s.Status = signal.Status(c)
				}
				s.Start = int64(min(p.StartTimeUnixNano, math.MaxInt64))
				o.end = int64(min(p.EndTimeUnixNano, math.MaxInt64))
				s.Duration = max(o.end-s.Start, 0)
				s.Remote = p.Flags&0x300 == 0x300
				s.Attributes = oracleAttributes(p.Attributes)
				for _, e := range p.Events {
					s.Events = append(s.Events, signal.Event{Time: int64(min(e.TimeUnixNano, math.MaxInt64)), Name: oracleName(e.Name), Attributes: oracleAttributes(e.Attributes)})
				}
				for _, l := range p.Links {
					k := signal.Link{Attributes: oracleAttributes(l.Attributes)}
					if len(l.TraceId) != 16 || len(l.SpanId) != 8 {
						continue
					}
					copy(k.Trace[:], l.TraceId)
					copy(k.Span[:], l.SpanId)
					if !k.Trace.IsZero() && !k.Span.IsZero() {
						s.Links = append(s.Links, k)
					}
				}
				o.span = s
				all = append(all, o.bare())
			}
		}
	}
	return all
}

func oracleLogs(req *collectlogs.ExportLogsServiceRequest) []signal.Log {
	var all []signal.Log
	for _, rl := range req.ResourceLogs {
		service, attrs := oracleResource(rl.GetResource())
		for _, sl := range rl.ScopeLogs {
			for _, p := range sl.LogRecords {
				l := signal.Log{Service: service, Resource: attrs, Scope: oracleName(sl.GetScope().GetName()), Body: oracleValue(p.Body).String()}
				at := p.TimeUnixNano
				if at == 0 {
					at = p.ObservedTimeUnixNano
				}
				l.Time = int64(min(at, math.MaxInt64))
				if p.SeverityNumber > 0 && p.SeverityNumber <= 24 {
					l.Severity = signal.Severity(p.SeverityNumber)
				} else {
					l.Severity = severity(p.SeverityText)
				}
				if len(p.TraceId) == 16 {
					copy(l.Trace[:], p.TraceId)
				}
				if len(p.SpanId) == 8 && !l.Trace.IsZero() {
					copy(l.Span[:], p.SpanId)
				}
				l.Attributes = oracleAttributes(p.Attributes)
				if p.EventName != "" {
					l.Attributes = append(l.Attributes, signal.Attribute{Key: "event.name", Value: signal.StringValue(oracleName(p.EventName))})
				}
				all = append(all, l)
			}
		}
	}
	return all
}

func oracleName(s string) string { return (&decoder{}).text(s, maxName) }

func oracleResource(r *resourcepb.Resource) (string, signal.Attributes) {
	service, named := Unknown, false
	var kept signal.Attributes
	for _, a := range oracleAttributes(r.GetAttributes()) {
		if a.Key != "service.name" {
			kept = append(kept, a)
		} else if v := a.Value.String(); v != "" && !named {
			service, named = oracleName(v), true
		}
	}
	return service, kept
}

func oracleAttributes(list []*commonpb.KeyValue) signal.Attributes {
	var all signal.Attributes
	for _, kv := range list {
		if kv.Key != "" {
			all = append(all, signal.Attribute{Key: oracleName(kv.Key), Value: oracleValue(kv.Value)})
		}
	}
	return all
}

func oracleValue(v *commonpb.AnyValue) signal.Value {
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return signal.StringValue(x.StringValue)
	case *commonpb.AnyValue_BoolValue:
		return signal.BoolValue(x.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return signal.IntValue(x.IntValue)
	case *commonpb.AnyValue_DoubleValue:
		return signal.FloatValue(x.DoubleValue)
	case *commonpb.AnyValue_ArrayValue, *commonpb.AnyValue_KvlistValue, *commonpb.AnyValue_BytesValue:
		return signal.JSONValue(oracleJSON(v, 1))
	}
	return signal.Value{}
}

func oracleJSON(v *commonpb.AnyValue, depth int) string {
	text := func(s string) string {
		var b strings.Builder
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(s); err != nil {
			return err.Error()
		}
		return strings.TrimSuffix(b.String(), "\n")
	}
	switch x := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		return text(x.StringValue)
	case *commonpb.AnyValue_BoolValue:
		return strconv.FormatBool(x.BoolValue)
	case *commonpb.AnyValue_IntValue:
		return strconv.FormatInt(x.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		s := strconv.FormatFloat(x.DoubleValue, 'g', -1, 64)
		if math.IsNaN(x.DoubleValue) || math.IsInf(x.DoubleValue, 0) {
			return text(s)
		}
		return s
	case *commonpb.AnyValue_BytesValue:
		return text(base64.StdEncoding.EncodeToString(x.BytesValue))
	case *commonpb.AnyValue_ArrayValue:
		if depth > maxDepth {
			return "null"
		}
		var parts []string
		for _, e := range x.ArrayValue.GetValues() {
			parts = append(parts, oracleJSON(e, depth+1))
		}
		return "[" + strings.Join(parts, ",") + "]"
	case *commonpb.AnyValue_KvlistValue:
		if depth > maxDepth {
			return "null"
		}
		var parts []string
		for _, e := range x.KvlistValue.GetValues() {
			parts = append(parts, text(e.Key)+":"+oracleJSON(e.Value, depth+1))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "null"
}
