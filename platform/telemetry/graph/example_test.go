package graph_test

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Two spans of two programs are a call.
func ExampleGraph() {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	g := graph.New(graph.Config{Now: func() time.Time { return now }})
	g.Add([]signal.Span{
		{Trace: traceID(1), ID: spanID(2), Parent: spanID(1), Service: "cart", Name: "GET /v1/carts/{id}", Kind: signal.Server, Start: now.UnixNano() - 9e6, Duration: 2e6},
	})
	g.Add([]signal.Span{
		{Trace: traceID(1), ID: spanID(1), Service: "orders", Name: "GET", Kind: signal.Client, Start: now.UnixNano() - 1e7, Duration: 4e6},
	})
	for _, e := range g.Map(time.Minute).Edges {
		fmt.Printf("%s -> %s: %s, %g %v\n", e.From, e.To, e.Kind, e.Count, e.Labels)
	}
	// Output: orders -> cart: call, 1 [GET /v1/carts/{id}]
}
