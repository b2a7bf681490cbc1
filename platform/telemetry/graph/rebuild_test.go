package graph_test

import (
	"context"
	"errors"
	"iter"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

func TestAMapIsThereAgainAfterARestart(t *testing.T) {
	var s story
	for range 500 {
		s.order()
	}
	now := noon
	kept, err := store.Open(t.TempDir(), store.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = kept.Close() }()
	if err := kept.Append(t.Context(), signal.Batch{Spans: s.spans}); err != nil {
		t.Fatal(err)
	}
	g := at(&now, graph.Config{})
	g.Add(s.spans[:100]) // came in meanwhile
	if err := g.Rebuild(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	now = now.Add(15 * time.Second)
	m := g.Map(5 * time.Minute)
	equal(t, told(m), ofShop)
	for _, e := range m.Edges {
		equal(t, e.Count, 500.0)
	}
}

// broken is a store that fails.
type broken struct{ signal.Store }

func (broken) Spans(context.Context, signal.SpanQuery) iter.Seq2[*signal.Span, error] {
	return func(yield func(*signal.Span, error) bool) { yield(nil, errors.New("the disk broke")) }
}

func TestAStoreThatCannotBeReadIsTold(t *testing.T) {
	if err := graph.New(graph.Config{}).Rebuild(t.Context(), broken{}); err == nil {
		t.Error("nobody learns of it")
	}
}
