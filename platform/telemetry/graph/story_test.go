package graph_test

import (
	"encoding/binary"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// story makes the spans of traces.
type story struct {
	spans []signal.Span
	trace uint64
	last  uint64
	at    time.Time // when the next span starts
}

// begin starts another trace.
func (s *story) begin() *story {
	s.trace++
	if s.at.IsZero() {
		s.at = noon.Add(-30 * time.Second)
	}
	return s
}

// add makes a span of 10 ms below another (0: none) and returns its number.
func (s *story) add(parent uint64, service string, kind signal.Kind, name string, attributes ...string) uint64 {
	s.last++
	span := signal.Span{Trace: traceID(s.trace), ID: spanID(s.last), Parent: spanID(parent), Service: service, Kind: kind, Name: name, Start: s.at.UnixNano(), Duration: 10e6}
	for i := 0; i < len(attributes); i += 2 {
		span.Attributes = append(span.Attributes, signal.Attribute{Key: attributes[i], Value: signal.StringValue(attributes[i+1])})
	}
	s.spans = append(s.spans, span)
	return s.last
}

// edit changes the span that was made last.
func (s *story) edit(change func(*signal.Span)) { change(&s.spans[len(s.spans)-1]) }

// calls makes the two spans of a call and returns the server's.
func (s *story) calls(parent uint64, from, to, name string) uint64 {
	return s.add(s.add(parent, from, signal.Client, name, "server.address", to), to, signal.Server, name)
}

func traceID(n uint64) (id signal.TraceID) { binary.BigEndian.PutUint64(id[8:], n); return id }
func spanID(n uint64) (id signal.SpanID)   { binary.BigEndian.PutUint64(id[:], n); return id }

// order is one placed order of the shop.
func (s *story) order() {
	s.begin()
	edge := s.add(0, "edge", signal.Server, "POST /v1/orders")
	orders := s.calls(edge, "edge", "orders", "POST /v1/orders")
	s.add(orders, "orders", signal.Client, "INSERT orders", "db.system.name", "sqlite")
	s.calls(orders, "orders", "cart", "GET /v1/carts/{id}")
	saga := s.add(orders, "orders", signal.Internal, "saga checkout: reserve")
	s.calls(saga, "orders", "inventory", "stock.v1.Stock/Reserve")
	publish := s.add(saga, "orders", signal.Producer, "publish orders.placed", "messaging.destination.name", "orders.placed")
	paid := s.add(publish, "payments", signal.Consumer, "process orders.placed", "messaging.destination.name", "orders.placed")
	s.add(s.add(paid, "payments", signal.Internal, "charge"), "payments", signal.Client, "POST", "server.address", "card.example.com")
	hop := s.add(publish, "broker", signal.Consumer, "process orders.placed", "messaging.destination.name", "orders.placed")
	s.calls(hop, "broker", "notify", "POST /events")
}
