package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"unicode/utf8"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	collectmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// Request returns an empty request of a signal, nil for any other word.
func Request(signal string) proto.Message {
	switch signal {
	case Traces:
		return &collecttrace.ExportTraceServiceRequest{}
	case Metrics:
		return &collectmetrics.ExportMetricsServiceRequest{}
	case Logs:
		return &collectlogs.ExportLogsServiceRequest{}
	}
	return nil
}

// FromJSON returns the protobuf form of a request in OTLP's JSON (OTLP 1.11, "JSON
// Protobuf Encoding"): that of protobuf, but ids are hexadecimal; fields that are not
// known are ignored. Bytes that are no UTF-8 and halves of surrogate pairs become
// U+FFFD. An id of another length than ids have, or with other digits, becomes an
// empty one or one of a wrong length, which Spans reports.
func FromJSON(signal string, body []byte) ([]byte, error) {
	req := Request(signal)
	if req == nil {
		return nil, fmt.Errorf("no signal is called %q", signal)
	}
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true, RecursionLimit: 500}).Unmarshal(whole(body), req); err != nil {
		return nil, err
	}
	switch r := req.(type) {
	case *collecttrace.ExportTraceServiceRequest:
		for _, rs := range r.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				spans(ss.Spans)
			}
		}
	case *collectlogs.ExportLogsServiceRequest:
		for _, rl := range r.ResourceLogs {
			for _, sl := range rl.ScopeLogs {
				records(sl.LogRecords)
			}
		}
	case *collectmetrics.ExportMetricsServiceRequest:
		for _, rm := range r.ResourceMetrics {
			for _, sm := range rm.ScopeMetrics {
				exemplars(sm.Metrics)
			}
		}
	}
	return proto.Marshal(req)
}

// unhex makes ids of what protojson made of them. It took their digits for base64, which
// has the hexadecimal digits among its own, so that encoding them again gives them back.
func unhex(ids ...*[]byte) {
	for _, id := range ids {
		if len(*id) == 0 {
			continue
		}
		text := base64.StdEncoding.EncodeToString(*id)
		b, err := hex.DecodeString(text)
		if err != nil {
			b = []byte(text) // of another length than an id, or too long
		}
		if err != nil && (len(b) == 8 || len(b) == 16) {
			b = b[:1]
		}
		*id = b
	}
}

func spans(list []*tracepb.Span) {
	for _, s := range list {
		unhex(&s.TraceId, &s.SpanId, &s.ParentSpanId)
		for _, l := range s.Links {
			unhex(&l.TraceId, &l.SpanId)
		}
	}
}

func records(list []*logspb.LogRecord) {
	for _, l := range list {
		unhex(&l.TraceId, &l.SpanId)
	}
}

func exemplars(list []*metricspb.Metric) {
	for _, m := range list {
		exemplarsOf(m)
	}
}

func exemplarsOf(m *metricspb.Metric) {
	fix := func(list []*metricspb.Exemplar) {
		for _, e := range list {
			unhex(&e.TraceId, &e.SpanId)
		}
	}
	for _, p := range m.GetGauge().GetDataPoints() {
		fix(p.Exemplars)
	}
	for _, p := range m.GetSum().GetDataPoints() {
		fix(p.Exemplars)
	}
	for _, p := range m.GetHistogram().GetDataPoints() {
		fix(p.Exemplars)
	}
	for _, p := range m.GetExponentialHistogram().GetDataPoints() {
		fix(p.Exemplars)
	}
}

// whole replaces each half of a surrogate pair, written \ud800 to \udfff, by \ufffd:
// JavaScript's strings may hold them, and protojson refuses them.
func whole(body []byte) []byte {
	if !bytes.Contains(body, []byte(`\ud`)) && !bytes.Contains(body, []byte(`\uD`)) {
		return body
	}
	out := bytes.Clone(body)
	for i := 0; i+1 < len(out); {
		switch {
		case out[i] != '\\':
			i++
		case half(out[i:], '8', 'b') && len(out) > i+6 && half(out[i+6:], 'c', 'f'):
			i += 12
		case half(out[i:], '8', 'f'):
			copy(out[i:], `\ufffd`)
			i += 6
		default:
			i += 2
		}
	}
	return out
}

// half reports whether b begins with \udX, X from first to last, and two digits.
func half(b []byte, first, last byte) bool {
	if len(b) < 6 || b[1] != 'u' || b[2]|0x20 != 'd' {
		return false
	}
	x := b[3]
	if x >= 'A' {
		x |= 0x20
	}
	return b[0] == '\\' && first <= x && x <= last
}
