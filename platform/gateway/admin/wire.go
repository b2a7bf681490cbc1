// Package admin is the edge's API for those who run it, over a Unix socket: what is
// on the wire, and a client. The edge itself serves it.
//
//	PUT  /v1/routes                     take a new table into use; 400 keeps the old one
//	GET  /v1/routes                     the table in use
//	PUT  /v1/tcp                        take other ports of connections into use; 400 and 503 keep the old ones
//	GET  /v1/tcp                        how they stand, a list of Port
//	POST /v1/drain/{instance}?wait=10s  choose it no more, wait until it has nothing in flight
//	GET  /v1/status                     what the edge knows of itself
//	GET  /v1/certificates               what clients of TLS are shown, a list of certs.Certificate
//	POST /v1/handover                   for the next process, see package handover
//	GET  /v1/calls                      how its calls stand, a seen.Process
//	GET  /metrics                       Prometheus' text format
package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"time"

	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/problem"
)

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
	PID      int                   `json:"pid"` // of its process
	Started  time.Time             `json:"started"`
	Listen   string                `json:"listen"`    // host:port of the traffic
	Routes   int                   `json:"routes"`    // of the table in use
	Since    time.Time             `json:"since"`     // when that table came into use
	InFlight int64                 `json:"in_flight"` // requests, streams and upgraded connections among them
	Draining []string              `json:"draining"`  // ids of instances this edge was told to choose no more
	Services map[string][]Instance `json:"services"`  // what the edge may choose from, for each service routed to
	// Deprecated tells who has called the routes that are, by route, who calls most first.
	Deprecated map[string][]Caller `json:"deprecated,omitempty"`
}

// Caller is who calls a deprecated route.
type Caller struct {
	Subject  string    `json:"subject"`  // who asked, as a filter found out; "" nobody could say
	Requests int64     `json:"requests"` // since the edge runs
	Last     time.Time `json:"last"`
}

// Instance is one instance as the edge sees it.
type Instance struct {
	ID       string `json:"id"`
	Version  string `json:"version,omitempty"`
	State    string `json:"state"`
	InFlight int64  `json:"in_flight"`
}

// MaxTCP bounds a TCP as it is written, in bytes.
const MaxTCP = 4 << 20

// TCP are the ports of connections that are not HTTP, by address, host:port.
type TCP struct {
	Ports map[string]l4.Routes `json:"ports"`
}

// ParseTCP reads a TCP as JSON, without unknown members. Its error is an InvalidArgument
// *problem.Error.
func ParseTCP(data []byte) (TCP, error) {
	if len(data) > MaxTCP {
		return TCP{}, problem.New(problem.InvalidArgument, "the ports of connections have more than %d bytes", MaxTCP)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var doc TCP
	err := d.Decode(&doc)
	if err == nil && d.More() {
		err = errTrailing
	}
	if err != nil {
		return TCP{}, problem.Wrap(err, problem.InvalidArgument, "the ports of connections cannot be read: %s", err)
	}
	return doc, l4.Validate(doc.Ports)
}

var errTrailing = errors.New("there is more after the document")

// Port is how an address stands at which the edge accepts connections.
type Port struct {
	Listen   string           `json:"listen"`           // host:port
	Closed   bool             `json:"closed,omitempty"` // it accepts no more, as the port was taken out; connections are left
	Routes   l4.Routes        `json:"routes"`           // where new ones go
	Open     int64            `json:"open"`             // connections
	Accepted int64            `json:"accepted"`         // since the port was opened
	Ends     map[string]int64 `json:"ends"`             // connections that ended, by how, such as "ended" or "no_instance": see l4.End
	In       int64            `json:"in"`               // bytes from clients
	Out      int64            `json:"out"`              // bytes to clients
}
