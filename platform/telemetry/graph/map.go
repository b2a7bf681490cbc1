// Package graph draws the map of who calls whom from spans alone: calls by the parent
// that a server's span has in another service, events by the producer's.
package graph

// Map is the services that took part in a time and what went between them. Rates and
// counts are of all traffic: a trace that stands for others by its sampling threshold
// (W3C tracestate "ot=th:...", OpenTelemetry's consistent probability sampling) counts for them.
type Map struct {
	From  float64 `json:"from"` // ms since 1970
	Until float64 `json:"until"`
	Nodes []Node  `json:"nodes"` // by name
	Edges []Edge  `json:"edges"` // by from, to, kind
}

// Node is a service, or something that services call and that sends no telemetry.
type Node struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`   // service, database, external, user
	In     int     `json:"in"`     // fan-in: edges
	Out    int     `json:"out"`    // fan-out: edges
	Rate   float64 `json:"rate"`   // requests and messages a second that it took
	Errors float64 `json:"errors"` // share of them that failed, 0-1
	P50    float64 `json:"p50"`    // ms
	P99    float64 `json:"p99"`
}

// Edge is what one calls the other, or sends it.
type Edge struct {
	From   string   `json:"from"`
	To     string   `json:"to"`
	Kind   string   `json:"kind"`   // call, event, query
	Labels []string `json:"labels"` // operations or topics, the most frequent first, at most 20
	Count  float64  `json:"count"`
	Rate   float64  `json:"rate"`   // a second
	Errors float64  `json:"errors"` // share, 0-1
	P50    float64  `json:"p50"`
	P99    float64  `json:"p99"`
}
