package graph

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// mostLinks bounds the producers of a batch of messages that count.
const mostLinks = 32

// record returns what is kept of a span.
func (g *Graph) record(s *signal.Span, now int64) record {
	r := record{
		key: key{s.Trace, s.ID}, parent: s.Parent, start: s.Start, took: s.Duration, added: now, weight: float32(Weight(s.State)),
		service: g.names.node(s.Service), kind: s.Kind, failed: s.Status == signal.Error && !refused(s),
	}
	if _, kept := s.Attributes.Get("muster.kept"); kept {
		r.weight = 0 // it is there because it failed or was slow: the sampled ones stand for it already
	}
	switch s.Kind {
	case signal.Server:
		r.label = g.names.label(r.service, s.Name)
	case signal.Client:
		r.label = g.names.label(r.service, s.Name)
		g.peer(&r, s)
	case signal.Consumer:
		if first(s.Attributes, "messaging.operation.type", "messaging.operation") == "receive" {
			r.kind = signal.Internal // of each message of it there is a span too that says "process"
			break
		}
		for _, l := range s.Links[:min(len(s.Links), mostLinks)] {
			r.links = append(r.links, key{l.Trace, l.Span})
		}
		fallthrough
	case signal.Producer:
		topic := first(s.Attributes, "messaging.destination.name", "messaging.destination")
		if topic == "" {
			_, topic, _ = strings.Cut(s.Name, " ") // "process orders.placed"
		}
		if topic == "" {
			topic = s.Name
		}
		r.topic = g.names.label(r.service, topic)
	case signal.Unspecified, signal.Internal:
		if s.Remote {
			r.label = g.names.label(r.service, s.Name)
		}
	}
	return r
}

// refused reports whether a caller's span has the status Error because of what it asked
// for, which is an error of its own only (semantic conventions for HTTP spans, "Status"): the
// one who was asked did its work.
func refused(s *signal.Span) bool {
	if s.Kind != signal.Client {
		return false
	}
	if status := first(s.Attributes, "http.response.status_code", "http.status_code"); status != "" {
		return len(status) == 3 && status[0] == '4'
	}
	switch strings.ToUpper(first(s.Attributes, "rpc.response.status_code", "rpc.grpc.status_code")) {
	case "CANCELLED", "1", "INVALID_ARGUMENT", "3", "NOT_FOUND", "5", "ALREADY_EXISTS", "6", "PERMISSION_DENIED", "7",
		"FAILED_PRECONDITION", "9", "ABORTED", "10", "OUT_OF_RANGE", "11", "UNAUTHENTICATED", "16":
		return true
	}
	return false
}

// first returns the value of the first attribute that there is.
func first(attributes signal.Attributes, keys ...string) string {
	for _, k := range keys {
		if v := attributes.Text(k); v != "" {
			return v
		}
	}
	return ""
}

// peer finds whom a client's span called, as far as it tells (OpenTelemetry's semantic
// conventions, those of before 1.21 too).
func (g *Graph) peer(r *record, s *signal.Span) {
	a := s.Attributes
	if system := first(a, "db.system.name", "db.system"); system != "" {
		r.peer, r.peerKind = g.names.node(s.Service+" "+databaseWord(system)), database
		return
	}
	if first(a, "messaging.system") != "" {
		return // a broker: the consumers are the peers
	}
	text := first(a, "peer.service", "server.address", "net.peer.name")
	if text == "" {
		if u, err := url.Parse(first(a, "url.full", "http.url")); err == nil {
			text = u.Host
		}
	}
	if _, err := netip.ParseAddr(text); err == nil { // alone it says too little
		if port := first(a, "server.port", "net.peer.port"); port != "" {
			text += ":" + port
		}
	}
	if text != "" {
		r.peer, r.peerKind = g.names.node(text), external
	}
}

// databaseWord is how a map calls a database of a service: those of SQL are its db.
func databaseWord(system string) string {
	switch system {
	case "sqlite", "postgresql", "mysql", "mariadb", "mssql", "microsoft.sql_server", "oracle", "oracle.db", "cockroachdb",
		"db2", "ibm.db2", "h2", "hsqldb", "derby", "firebird", "other_sql", "clickhouse", "trino", "spanner", "gcp.spanner":
		return "db"
	}
	return system
}

// Weight returns how many spans one stands for, by the threshold in the "ot" entry of its
// tracestate: 1/(1-T), T being th as a fraction of 2^56 (OpenTelemetry, "TraceState:
// Probability Sampling"). Without one, and where it is malformed, that is 1. It is at most
// 2^20, so that no single span decides a figure.
func Weight(state string) float64 {
	for entry := range strings.SplitSeq(state, ",") {
		value, ok := strings.CutPrefix(strings.TrimSpace(entry), "ot=")
		if !ok {
			continue
		}
		for field := range strings.SplitSeq(value, ";") {
			th, ok := strings.CutPrefix(field, "th:")
			if !ok || th == "" || len(th) > 14 {
				continue
			}
			n, err := strconv.ParseUint(th+strings.Repeat("0", 14-len(th)), 16, 64)
			if err != nil {
				return 1
			}
			return min(1<<20, float64(1<<56)/float64(1<<56-n))
		}
		return 1
	}
	return 1
}
