// Package admin is the edge's API for those who run it, over a Unix socket: what is
// on the wire, and a client. The edge itself serves it.
//
//	PUT  /v1/routes                     take a new table into use; 400 keeps the old one
//	GET  /v1/routes                     the table in use
//	POST /v1/drain/{instance}?wait=10s  choose it no more, wait until it has nothing in flight
//	GET  /v1/status                     what the edge knows of itself
//	GET  /v1/calls                      how its calls stand, a seen.Process
//	GET  /metrics                       Prometheus' text format
package admin

import "time"

// Bounds of the wait in a drain.
const (
	DefaultWait = 10 * time.Second // when the request does not say
	MaxWait     = 10 * time.Minute
)

// Drained is the answer to a drain.
type Drained struct {
	Instance string `json:"instance"`
	Known    bool   `json:"known"`     // false: the edge has not heard of it, so sends it nothing
	InFlight int64  `json:"in_flight"` // requests it still has of this edge; 0: it may end
}

// Status is what an edge knows of itself.
type Status struct {
	Started  time.Time             `json:"started"`
	Listen   string                `json:"listen"`    // host:port of the traffic
	Routes   int                   `json:"routes"`    // of the table in use
	Since    time.Time             `json:"since"`     // when that table came into use
	InFlight int64                 `json:"in_flight"` // requests, streams and upgraded connections among them
	Draining []string              `json:"draining"`  // ids of instances this edge was told to choose no more
	Services map[string][]Instance `json:"services"`  // what the edge may choose from, for each service routed to
}

// Instance is one instance as the edge sees it.
type Instance struct {
	ID       string `json:"id"`
	Version  string `json:"version,omitempty"`
	State    string `json:"state"`
	InFlight int64  `json:"in_flight"`
}
