// Package query answers questions about telemetry in JSON: for the dashboard, for the
// command line and for anybody's scripts. Times in answers are milliseconds since 1970,
// with a fraction; durations are milliseconds too.
package query

import (
	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Services answers GET /v1/telemetry/services: what filters offer.
type Services struct {
	Services []ServiceNames `json:"services"`
}

// ServiceNames is a service and the names of its spans, the most frequent first, at most 200.
type ServiceNames struct {
	Name       string   `json:"name"`
	Operations []string `json:"operations"`
}

// Traces answers GET /v1/telemetry/traces, the newest first. Parameters: from, until
// (RFC 3339 or ms since 1970; default the last hour), service, operation, min, max (Go
// durations, of the span that matches), error=true, attr=KEY=VALUE (repeatable), root=true
// (only root spans match), limit (1-1000, default 50), slowest=true (all spans that match
// are looked at, and those with the slowest come first).
type Traces struct {
	Traces []Summary `json:"traces"`
	More   bool      `json:"more"`          // there are others than these
	Cut    bool      `json:"cut,omitempty"` // of slowest: there were too many to look at all, so that an older one may be slower
}

// Summary is a trace in a line.
type Summary struct {
	Trace    signal.TraceID `json:"trace"`
	Service  string         `json:"service"` // of its first span
	Name     string         `json:"name"`    // of its first span
	Start    float64        `json:"start"`
	Duration float64        `json:"duration"` // of the first span
	Total    float64        `json:"total"`    // until its last span's end: longer, where work goes on behind the answer
	Spans    int            `json:"spans"`
	Errors   int            `json:"errors"`
	Services []Part         `json:"services"` // the one with the most spans first
	Rootless bool           `json:"rootless,omitempty"`
	Slowest  float64        `json:"slowest,omitempty"` // ms, asked with slowest=true: its slowest span that matches
}

// Part is a service's share in a trace.
type Part struct {
	Name   string `json:"name"`
	Spans  int    `json:"spans"`
	Errors int    `json:"errors"`
}

// Points answers GET /v1/telemetry/points, for the heat map of latencies: the spans that
// the parameters of Traces speak of, the newest first, at most limit (default and most 5000).
type Points struct {
	Points []Point `json:"points"`
	More   bool    `json:"more"`
}

// Point is one span.
type Point struct {
	Trace    signal.TraceID `json:"trace"`
	Start    float64        `json:"start"`
	Duration float64        `json:"duration"`
	Error    bool           `json:"error,omitempty"`
}

// Trace answers GET /v1/telemetry/traces/{id}; 404 when there is none. Its spans are in
// the order of the tree, each before its children, those by their start. Large traces are
// whole: a hundred thousand spans and more.
type Trace struct {
	Summary

	Tree     []Span  `json:"tree"`
	Critical []Piece `json:"critical"`         // the critical path, by time
	Skewed   bool    `json:"skewed,omitempty"` // clocks of processes differ: children were moved into their parents
}

// Span is a span in its tree.
type Span struct {
	ID         signal.SpanID     `json:"id"`
	Parent     signal.SpanID     `json:"parent"`
	Depth      int               `json:"depth"`
	Missing    bool              `json:"missing,omitempty"` // its parent is named and not there
	Service    string            `json:"service"`
	Name       string            `json:"name"`
	Kind       string            `json:"kind"`
	Error      bool              `json:"error,omitempty"`
	Message    string            `json:"message,omitempty"`
	Start      float64           `json:"start"`
	Duration   float64           `json:"duration"`
	Own        float64           `json:"own"`             // exclusive time: none of its children ran
	Moved      float64           `json:"moved,omitempty"` // added to its start for its process's clock
	Attributes signal.Attributes `json:"attributes"`
	Resource   signal.Attributes `json:"resource"`
	Scope      string            `json:"scope,omitempty"`
	Events     []Event           `json:"events,omitempty"`
	Links      []Link            `json:"links,omitempty"`
	LinkedBy   []Link            `json:"linkedBy,omitempty"` // spans of other traces, newest first, at most 20
}

// Event is something that happened during a span.
type Event struct {
	Time       float64           `json:"time"`
	Name       string            `json:"name"`
	Attributes signal.Attributes `json:"attributes"`
}

// Link names another span.
type Link struct {
	Trace signal.TraceID `json:"trace"`
	Span  signal.SpanID  `json:"span"`
}

// Piece is a piece of the critical path: the span that everything waited for then.
type Piece struct {
	Span  signal.SpanID `json:"span"`
	From  float64       `json:"from"`
	Until float64       `json:"until"`
}

// IDs answers GET /v1/telemetry/ids/{digits}: traces whose ids begin with these hexadecimal
// digits, four or more, however old, at most 20.
type IDs struct {
	Traces []signal.TraceID `json:"traces"`
	More   bool             `json:"more"` // there are, or may be, others
}

// Logs answers GET /v1/telemetry/logs, the newest first. Parameters: from, until (as of
// Traces), service, severity (at least: debug, info, warn, error), q (contained in the
// text or in an attribute, as key=value), trace, attr=KEY=VALUE, limit (1-5000, default 200). GET /v1/telemetry/logs/stream
// takes the same but times and limit and sends each new record as a server-sent event
// "log", and "lost" with a number when the reader was too slow.
type Logs struct {
	Logs []Log `json:"logs"`
	More bool  `json:"more"`
}

// Log is a log record.
type Log struct {
	Time       float64           `json:"time"`
	Service    string            `json:"service"`
	Instance   string            `json:"instance,omitempty"`
	Severity   string            `json:"severity,omitempty"`
	Body       string            `json:"body"`
	Trace      signal.TraceID    `json:"trace"`
	Span       signal.SpanID     `json:"span"`
	Attributes signal.Attributes `json:"attributes"`
}

// Map answers GET /v1/telemetry/map?window=5m (1m to 1h).
type Map = graph.Map

// Why answers GET /v1/telemetry/why/{trace}.
type Why = diagnose.Answer

// Overview answers GET /v1/telemetry/overview?window=5m: every service that is
// registered or was heard of in the window.
type Overview struct {
	From     float64           `json:"from"`
	Until    float64           `json:"until"`
	Step     float64           `json:"step"` // ms between the values of a sparkline
	Services []ServiceOverview `json:"services"`
	Changes  []Change          `json:"changes"`
}

// ServiceOverview is a service in a row. The series have a value each Step, null where
// nothing is known.
type ServiceOverview struct {
	Name      string     `json:"name"`
	Ready     int        `json:"ready"`     // instances
	Instances int        `json:"instances"` // registered; 0: known by its telemetry only
	Versions  []string   `json:"versions"`
	Engine    bool       `json:"engine,omitempty"` // of the platform: edge, control, broker
	Rate      []*float64 `json:"rate"`             // requests and messages a second
	Errors    []*float64 `json:"errors"`           // share of them that failed, 0-1
	P50       []*float64 `json:"p50"`              // ms
	P99       []*float64 `json:"p99"`              // ms
}

// Change is something that was changed, or happened, in the fleet.
type Change struct {
	Time    float64 `json:"time"`
	Service string  `json:"service"`
	Kind    string  `json:"kind"` // joined, left, version
	Detail  string  `json:"detail"`
}

// Health answers GET /v1/telemetry/health: what came in and what became of it, exactly.
// For each signal: received = stored + the sum of dropped.
type Health struct {
	Since    float64                  `json:"since"`
	Signals  map[string]SignalHealth  `json:"signals"` // spans, logs, points
	Services map[string]ServiceHealth `json:"services"`
	Usage    []signal.Usage           `json:"usage"`
	Series   int64                    `json:"series"` // of metrics, active
	Export   *ExportHealth            `json:"export,omitempty"`
	Notes    []string                 `json:"notes"` // what a person should know, in words: "the disk is full: ..."
}

// SignalHealth counts one signal.
type SignalHealth struct {
	Received int64            `json:"received"`
	Stored   int64            `json:"stored"`
	Dropped  map[string]int64 `json:"dropped"`  // by reason
	Returned int64            `json:"returned"` // not in Received: their senders were asked to send them again
}

// ServiceHealth counts one service's.
type ServiceHealth struct {
	Received map[string]int64 `json:"received"` // by signal
	Dropped  map[string]int64 `json:"dropped"`  // by signal and reason: "spans: too large"
}

// ExportHealth tells how the copy to another backend fares.
type ExportHealth struct {
	Endpoint string           `json:"endpoint"`
	Sent     map[string]int64 `json:"sent"`    // by signal
	Dropped  map[string]int64 `json:"dropped"` // by signal
	Waiting  int64            `json:"waiting"` // bytes
	Error    string           `json:"error,omitempty"`
}
