package graph_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Clocks that are wrong, ids that are none and services without number do no harm.
func TestAGraphIsBounded(t *testing.T) {
	now := noon
	g := at(&now, graph.Config{Pending: 1000})
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var batch []signal.Span
		for range 500 {
			n := r.Uint64N(1 << 20)
			batch = append(batch, signal.Span{
				Trace: traceID(r.Uint64N(500)), ID: spanID(n), Parent: spanID(r.Uint64N(1 << 20)), Service: fmt.Sprint("s", r.IntN(10_000)), Name: fmt.Sprint("n", n),
				Kind: signal.Kind(r.IntN(7)), Start: r.Int64() - r.Int64(), Duration: r.Int64(), Remote: n%2 == 0,
				Links: []signal.Link{{Trace: traceID(r.Uint64N(500)), Span: spanID(r.Uint64N(1 << 20))}},
			})
		}
		g.Add(batch)
		now = now.Add(time.Second)
	}
	if m := g.Map(time.Hour); len(m.Nodes) > 2500 {
		t.Errorf("%d nodes", len(m.Nodes))
	}
}

func BenchmarkAdd(b *testing.B) {
	var s story
	for range 1000 {
		s.order()
	}
	for b.Loop() {
		now := noon
		g := at(&now, graph.Config{})
		for chunk := range slices.Chunk(s.spans, 100) {
			g.Add(chunk)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(s.spans)), "ns/span")
}

func FuzzWeight(f *testing.F) {
	for _, s := range []string{"", "ot=th:8", "a=b,ot=rv:1;th:c", "ot=th:ffffffffffffff", "ot=th:-1", "ot=th:+8"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, state string) {
		if w := graph.Weight(state); !(w >= 1 && w <= 1<<20) {
			t.Errorf("%q: %g", state, w)
		}
	})
}

// Spans whose parent never comes are requests of their service, and nobody's call.
func TestManyWaitForOne(t *testing.T) {
	now := noon
	g := at(&now, graph.Config{Pending: 4096})
	for n := range uint64(20) {
		spans := make([]signal.Span, 1000)
		for i := range spans {
			spans[i] = signal.Span{Trace: traceID(1), ID: spanID(n*1000 + uint64(i) + 2), Parent: spanID(1), Service: "a", Kind: signal.Server, Start: noon.UnixNano()}
		}
		g.Add(spans)
	}
	now = now.Add(20 * time.Second)
	m := g.Map(time.Minute)
	if count := m.Nodes[0].Rate * (m.Until - m.From) / 1e3; len(m.Edges) != 0 || count < 19_999 || count > 20_001 {
		t.Errorf("%g requests: %+v", count, m)
	}
	g.Add([]signal.Span{{Trace: traceID(1), ID: spanID(1), Service: "b", Kind: signal.Client, Start: noon.UnixNano()}})
	if m := g.Map(time.Minute); len(m.Edges) != 1 || m.Edges[0].Count != 4095 {
		t.Errorf("those that are still kept: %+v", m.Edges)
	}
}

// What a sender calls a topic or a host is kept in short, and joined as before.
func TestTextsAreBounded(t *testing.T) {
	now := noon
	g := at(&now, graph.Config{})
	long := strings.Repeat("ü", 1<<15)
	g.Add([]signal.Span{
		{Trace: traceID(1), ID: spanID(1), Service: "a", Kind: signal.Producer, Start: noon.UnixNano(), Attributes: signal.Attributes{{Key: "messaging.destination.name", Value: signal.StringValue(long)}}},
		{Trace: traceID(1), ID: spanID(2), Parent: spanID(1), Service: "b", Kind: signal.Consumer, Start: noon.UnixNano()},
		{Trace: traceID(2), ID: spanID(3), Service: "a", Kind: signal.Client, Start: noon.UnixNano(), Attributes: signal.Attributes{{Key: "server.address", Value: signal.StringValue(long)}}},
	})
	now = now.Add(20 * time.Second)
	m := g.Map(time.Minute)
	if len(m.Edges) != 2 {
		t.Fatalf("%d edges, want 2", len(m.Edges))
	}
	for _, e := range m.Edges {
		for _, text := range append(e.Labels, e.From, e.To) {
			if len(text) > 300 || !utf8.ValidString(text) {
				t.Errorf("a text of %d bytes is in the map", len(text))
			}
		}
	}
}
