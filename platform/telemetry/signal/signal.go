// Package signal has what telemetry is made of: spans and log records, after
// OpenTelemetry's data model, in a form that is cheap to keep by the million.
// Metrics are Prometheus's; see platform/telemetry/metrics.
package signal

import (
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// TraceID names a trace. The zero value names none (W3C Trace Context, 3.2.2.3).
type TraceID [16]byte

// SpanID names a span of a trace. The zero value names none.
type SpanID [8]byte

// String returns 32 lower-case hexadecimal digits.
func (id TraceID) String() string { return hex.EncodeToString(id[:]) }

// String returns 16 lower-case hexadecimal digits.
func (id SpanID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id names nothing.
func (id TraceID) IsZero() bool { return id == TraceID{} }

// IsZero reports whether id names nothing.
func (id SpanID) IsZero() bool { return id == SpanID{} }

// MarshalText returns what String does; "" for the zero value.
func (id TraceID) MarshalText() ([]byte, error) { return text(id[:], id.IsZero()), nil }

// MarshalText returns what String does; "" for the zero value.
func (id SpanID) MarshalText() ([]byte, error) { return text(id[:], id.IsZero()), nil }

// UnmarshalText reads what MarshalText returns; capital digits are read too.
func (id *TraceID) UnmarshalText(b []byte) error { return parse(id[:], b) }

// UnmarshalText reads what MarshalText returns; capital digits are read too.
func (id *SpanID) UnmarshalText(b []byte) error { return parse(id[:], b) }

// ErrID is the error of a text that is no id.
var ErrID = errors.New("a trace id is 32 hexadecimal digits, a span id 16")

// ParseTraceID reads 32 hexadecimal digits, or fewer without the leading zeros, as
// Jaeger writes them. It fails with ErrID.
func ParseTraceID(s string) (TraceID, error) {
	var id TraceID
	if s == "" || len(s) > 2*len(id) {
		return id, ErrID
	}
	for len(s) < 2*len(id) {
		s = "0" + s
	}
	return id, parse(id[:], []byte(s))
}

func text(id []byte, none bool) []byte {
	if none {
		return nil
	}
	return hex.AppendEncode(nil, id)
}

func parse(id, b []byte) error {
	if len(b) == 0 {
		clear(id)
		return nil
	}
	if len(b) != 2*len(id) {
		return ErrID
	}
	if _, err := hex.Decode(id, b); err != nil {
		clear(id)
		return ErrID
	}
	return nil
}

// Kind is a span's role in its call or message. The numbers are OTLP's.
type Kind uint8

// The kinds of spans.
const (
	Unspecified Kind = iota
	Internal
	Server
	Client
	Producer
	Consumer
)

// String returns the kind in lower case, "" for Unspecified.
func (k Kind) String() string {
	if k > Consumer {
		return ""
	}
	return [...]string{"", "internal", "server", "client", "producer", "consumer"}[k]
}

// Status tells whether what a span stands for succeeded. The numbers are OTLP's.
type Status uint8

// The statuses of spans.
const (
	Unset Status = iota
	OK
	Error
)

// String returns the status in lower case.
func (s Status) String() string {
	if s > Error {
		return ""
	}
	return [...]string{"unset", "ok", "error"}[s]
}

// Span is one piece of work within a trace.
type Span struct {
	Trace      TraceID
	ID         SpanID
	Parent     SpanID // zero: the root of its trace
	Service    string // service.name of the resource; "unknown_service" where it says none
	Name       string
	Kind       Kind
	Status     Status
	Message    string // why the status is Error
	Start      int64  // ns since 1970
	Duration   int64  // ns, >= 0
	Attributes Attributes
	Resource   Attributes // without service.name
	Scope      string     // the instrumentation's name
	State      string     // W3C tracestate; its "ot" entry carries the sampling threshold
	Events     []Event
	Links      []Link
	Remote     bool // the parent is in another process, as far as the sender told
}

// End returns when the span ended, in ns since 1970.
func (s *Span) End() int64 { return s.Start + s.Duration }

// Event is something that happened during a span.
type Event struct {
	Time       int64 // ns since 1970
	Name       string
	Attributes Attributes
}

// Link names a span that this one has to do with and that is not its parent.
type Link struct {
	Trace      TraceID
	Span       SpanID
	Attributes Attributes
}

// Severity of a log record, OTLP's numbers: 1-4 trace, 5-8 debug, 9-12 info, 13-16 warn,
// 17-20 error, 21-24 fatal; 0 is not known.
type Severity uint8

// The lowest number of each range.
const (
	SeverityTrace Severity = 1
	SeverityDebug Severity = 5
	SeverityInfo  Severity = 9
	SeverityWarn  Severity = 13
	SeverityError Severity = 17
	SeverityFatal Severity = 21
)

// String returns trace, debug, info, warn, error or fatal; "" where it is not known.
func (s Severity) String() string {
	switch {
	case s == 0 || s > 24:
		return ""
	case s >= SeverityFatal:
		return "fatal"
	case s >= SeverityError:
		return "error"
	case s >= SeverityWarn:
		return "warn"
	case s >= SeverityInfo:
		return "info"
	case s >= SeverityDebug:
		return "debug"
	}
	return "trace"
}

// Log is one log record.
type Log struct {
	Time       int64 // ns since 1970: when it happened, or where that is not told, was seen
	Service    string
	Severity   Severity
	Body       string // of a body that is no text: its JSON
	Trace      TraceID
	Span       SpanID
	Attributes Attributes
	Resource   Attributes // without service.name
	Scope      string
}

// Says reports whether a person who sees the record, its attributes as key=value, sees a
// text, which is in lower case, in capitals or not.
func (l *Log) Says(text string) bool {
	if strings.Contains(strings.ToLower(l.Body), text) {
		return true
	}
	for _, a := range l.Attributes {
		if strings.Contains(strings.ToLower(a.Key+"="+a.Value.String()), text) {
			return true
		}
	}
	return false
}

// Batch is what is kept together, or not at all.
type Batch struct {
	Spans []Span
	Logs  []Log
}

// Time turns ns since 1970 into a time.Time.
func Time(ns int64) time.Time { return time.Unix(0, ns) }
