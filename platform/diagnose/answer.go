// Package diagnose tells why something is slow. It is pure: spans in, an answer out.
package diagnose

import "github.com/musterdev/muster/platform/telemetry/signal"

// Answer is why a trace took as long as it did, beside what its route usually takes.
// Durations are milliseconds.
type Answer struct {
	Trace    signal.TraceID `json:"trace"`
	Service  string         `json:"service"`
	Name     string         `json:"name"`
	Duration float64        `json:"duration"`
	Usual    float64        `json:"usual"`    // the median of the route; 0: not enough traces
	Others   int            `json:"others"`   // traces of the route that it was compared with
	Enough   bool           `json:"enough"`   // false: there are too few to say what is unusual
	Sentence string         `json:"sentence"` // the answer in words
	Causes   []Cause        `json:"causes"`   // the largest excess first
}

// Cause is a place where time went. Causes of client's spans may have the same service,
// name and kind: they call different services, or have different statements.
type Cause struct {
	Service  string        `json:"service"`
	Name     string        `json:"name"`
	Kind     string        `json:"kind"`
	Spans    int           `json:"spans"`
	Critical float64       `json:"critical"` // on the critical path
	Own      float64       `json:"own"`      // exclusive time
	Usual    float64       `json:"usual"`    // its median on the critical path of the others
	Excess   float64       `json:"excess"`   // Critical - Usual
	Usually  float64       `json:"usually"`  // how many such spans the others have, the median
	Errors   int           `json:"errors"`
	Example  signal.SpanID `json:"example"` // the longest of them
	Detail   string        `json:"detail"`  // the SQL statement, the URL, the topic
	Sentence string        `json:"sentence"`
}
