package graph_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// told is what a map says of its edges, without figures.
func told(m graph.Map) []string {
	var list []string
	for _, e := range m.Edges {
		list = append(list, fmt.Sprintf("%s -%s-> %s %s", e.From, e.Kind, e.To, strings.Join(e.Labels, ",")))
	}
	return list
}

// ofShop is the map of orders.
var ofShop = []string{
	"edge -call-> orders POST /v1/orders",
	"orders -call-> cart GET /v1/carts/{id}",
	"orders -call-> inventory stock.v1.Stock/Reserve",
	"orders -event-> notify orders.placed",
	"orders -query-> orders db INSERT orders",
	"orders -event-> payments orders.placed",
	"payments -call-> card.example.com POST",
	"user -call-> edge POST /v1/orders",
}

// at is a graph whose clock the test moves.
func at(now *time.Time, cfg graph.Config) *graph.Graph {
	cfg.Now = func() time.Time { return *now }
	return graph.New(cfg)
}

func equal[T any](t interface {
	Errorf(string, ...any)
	Helper()
}, got, want T,
) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestAnOrderIsDrawnAsItsCallsAndEvents(t *testing.T) {
	var s story
	for range 10 {
		s.order()
	}
	now := noon
	g := at(&now, graph.Config{})
	g.Add(s.spans)
	now = now.Add(15 * time.Second)
	m := g.Map(5 * time.Minute)
	equal(t, told(m), ofShop)
	kinds := map[string]string{}
	for _, n := range m.Nodes {
		kinds[n.Name] = fmt.Sprint(n.Kind, " ", n.In, " ", n.Out)
	}
	equal(t, kinds, map[string]string{
		"edge": "service 1 1", "orders": "service 1 5", "orders db": "database 1 0", "cart": "service 1 0", "inventory": "service 1 0",
		"payments": "service 1 1", "notify": "service 1 0", "card.example.com": "external 1 0", "user": "user 0 1",
	})
	for _, e := range m.Edges {
		if e.Count != 10 || e.Errors != 0 || e.P50 < 9.5 || e.P50 > 10.5 || e.P99 < 9.5 || e.P99 > 10.5 {
			t.Errorf("%+v", e)
		}
		if seconds := (m.Until - m.From) / 1e3; e.Rate < 9.99/seconds || e.Rate > 10.01/seconds {
			t.Errorf("%s -> %s: %g a second in %g s", e.From, e.To, e.Rate, seconds)
		}
	}
	if m.Until-m.From < 45e3 || m.Until-m.From > 56e3 {
		t.Errorf("the map of a graph that began 45 s ago is of %g ms", m.Until-m.From)
	}
}

// Whatever the order in which spans come, and how often, the map is the same.
func TestTheOrderOfSpansDoesNotMatter(t *testing.T) {
	var s story
	for range 3 {
		s.order()
	}
	draw := func(spans []signal.Span, batch int) graph.Map {
		now := noon
		g := at(&now, graph.Config{})
		for chunk := range slices.Chunk(spans, batch) {
			g.Add(chunk)
		}
		now = now.Add(15 * time.Second)
		return g.Map(5 * time.Minute)
	}
	want := draw(s.spans, len(s.spans))
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		spans := append(slices.Clone(s.spans), s.spans[:rapid.IntRange(0, len(s.spans)).Draw(t, "twice")]...)
		r.Shuffle(len(spans), func(i, j int) { spans[i], spans[j] = spans[j], spans[i] })
		equal(t, draw(spans, rapid.IntRange(1, len(spans)).Draw(t, "batch")), want)
	})
}

func TestWhatSpansSayIsDrawn(t *testing.T) {
	for name, c := range map[string]struct {
		tell func(*story)
		want []string
	}{
		"a service that is away is called by its name": {func(s *story) {
			s.calls(s.add(0, "edge", signal.Server, "GET /"), "edge", "cart", "GET /")
			s.begin().add(0, "edge", signal.Client, "GET /", "server.address", "cart")
		}, []string{"edge -call-> cart GET /", "user -call-> edge GET /"}},
		"a root elsewhere than at the edge is nobody's": {func(s *story) {
			s.add(0, "edge", signal.Server, "GET /")
			s.begin().add(0, "cart", signal.Server, "GET /")
		}, []string{"user -call-> edge GET /"}},
		"without an edge, roots are users'": {func(s *story) {
			s.add(0, "web", signal.Server, "GET /")
		}, []string{"user -call-> web GET /"}},
		"the browser's own trace begins outside": {func(s *story) {
			s.add(77, "edge", signal.Server, "GET /")
		}, []string{"user -call-> edge GET /"}},
		"an address alone has its port": {func(s *story) {
			s.add(0, "a", signal.Client, "GET", "server.address", "10.0.0.1", "server.port", "81")
			s.begin().add(0, "a", signal.Client, "GET", "url.full", "https://api.example.com/x")
		}, []string{"a -call-> 10.0.0.1:81 GET", "a -call-> api.example.com GET"}},
		"a client within a client is one": {func(s *story) {
			s.calls(s.add(0, "a", signal.Client, "call", "server.address", "b"), "a", "b", "GET")
			s.begin().add(s.add(0, "a", signal.Client, "GET", "db.system", "redis"), "a", signal.Client, "GET", "db.system", "redis")
		}, []string{"a -query-> a redis GET", "a -call-> b GET"}},
		"a service may call itself": {func(s *story) {
			s.calls(s.add(0, "edge", signal.Server, "GET /"), "edge", "edge", "GET /x")
		}, []string{"edge -call-> edge GET /x", "user -call-> edge GET /"}},
		"middleware of one server is one": {func(s *story) {
			s.add(s.calls(0, "a", "b", "GET"), "b", signal.Server, "inner")
		}, []string{"a -call-> b GET"}},
		"an event that its own service takes": {func(s *story) {
			p := s.add(0, "a", signal.Producer, "publish t")
			s.add(p, "a", signal.Consumer, "process t")
		}, []string{"a -event-> a t"}},
		"a saga's steps are looked through": {func(s *story) {
			p := s.add(0, "a", signal.Producer, "publish t")
			step := s.add(s.add(s.add(p, "b", signal.Consumer, "receive t", "messaging.operation.type", "receive"), "b", signal.Internal, "saga"), "b", signal.Internal, "step")
			s.add(step, "b", signal.Consumer, "process t")
		}, []string{"a -event-> b t"}},
		"what a handler sends to its own service is no event of who called it": {func(s *story) {
			s.add(s.calls(0, "a", "b", "GET"), "b", signal.Consumer, "process t")
		}, []string{"a -call-> b GET", "b -event-> b t"}},
		"a batch is linked to its producers": {func(s *story) {
			p, q := s.add(0, "a", signal.Producer, "publish t"), s.add(0, "b", signal.Producer, "publish t")
			s.add(0, "c", signal.Consumer, "process t")
			s.edit(func(span *signal.Span) {
				span.Links = []signal.Link{{Trace: span.Trace, Span: spanID(p)}, {Trace: span.Trace, Span: spanID(q)}}
			})
		}, []string{"a -event-> c t", "b -event-> c t"}},
		"the broker's POST that nobody traced": {func(s *story) {
			hop := s.add(s.add(0, "a", signal.Producer, "publish t"), "broker", signal.Consumer, "process t")
			s.add(hop, "broker", signal.Client, "POST", "server.address", "mail")
		}, []string{"a -event-> mail t"}},
		"an event that is posted to the broker": {func(s *story) {
			s.add(s.add(s.calls(0, "a", "broker", "POST /events"), "broker", signal.Producer, "publish t"), "b", signal.Consumer, "process t")
		}, []string{"a -event-> b t"}},
		"a program that does not say that it serves": {func(s *story) {
			s.add(s.add(0, "a", signal.Client, "GET", "server.address", "10.0.0.1"), "b", signal.Unspecified, "handle")
			s.edit(func(span *signal.Span) { span.Remote = true })
		}, []string{"a -call-> b handle"}},
		"a ring of parents": {func(s *story) {
			s.add(2, "broker", signal.Consumer, "process t")
			s.add(1, "broker", signal.Client, "x")
			s.add(2, "b", signal.Server, "x")
		}, nil},
		"a service called user": {func(s *story) {
			s.calls(s.add(0, "edge", signal.Server, "GET /"), "edge", "user", "GET /me")
		}, []string{"(user) -call-> edge GET /", "edge -call-> user GET /me"}},
	} {
		t.Run(name, func(t *testing.T) {
			var s story
			c.tell(s.begin())
			want := slices.Clone(c.want)
			slices.Sort(want)
			for _, spans := range [][]signal.Span{s.spans, reversed(s.spans)} {
				now := noon
				g := at(&now, graph.Config{})
				for i := range spans {
					g.Add(spans[i : i+1])
				}
				now = now.Add(15 * time.Second)
				got := told(g.Map(time.Minute))
				slices.Sort(got)
				equal(t, got, want)
			}
		})
	}
}

func reversed(spans []signal.Span) []signal.Span {
	spans = slices.Clone(spans)
	slices.Reverse(spans)
	return spans
}

func TestACallIsMeasuredAsTheCallerSawIt(t *testing.T) {
	var s story
	s.begin().add(0, "a", signal.Client, "GET")
	s.edit(func(span *signal.Span) { span.Duration, span.Status = 500e6, signal.Error })
	s.add(s.last, "b", signal.Server, "GET")
	now := noon
	g := at(&now, graph.Config{})
	g.Add(s.spans)
	m := g.Map(time.Minute)
	if e := m.Edges[0]; e.P50 < 480 || e.P50 > 520 || e.Errors != 1 {
		t.Errorf("the call: %+v", e)
	}
	if b := m.Nodes[1]; b.Name != "b" || b.P50 > 11 || b.Errors != 0 || b.Rate == 0 {
		t.Errorf("the server: %+v", b)
	}
}

func TestSampledTracesCountForThoseTheyStandFor(t *testing.T) {
	for state, want := range map[string]float64{
		"": 1, "ot=th:8": 2, "ot=th:c": 4, "a=b, ot=rv:11223344556677;th:e": 8, "ot=th:0": 1, "ot=th:x": 1, "ot=th:": 1, "ot=th:123456789abcdef": 1,
		"ot=th:ffffffffffffff": 1 << 20, "th:8": 1, "xot=th:8": 1, "ot=": 1, "ot=rv:1": 1,
	} {
		if got := graph.Weight(state); got != want {
			t.Errorf("%q: %g, want %g", state, got, want)
		}
	}
	var s story
	s.order()
	for i := range s.spans {
		s.spans[i].State = "ot=th:c"
	}
	now := noon
	g := at(&now, graph.Config{})
	g.Add(s.spans)
	for _, e := range g.Map(time.Minute).Edges {
		equal(t, e.Count, 4.0)
	}
}

func TestTheWindowEnds(t *testing.T) {
	var s story
	now := noon
	g := at(&now, graph.Config{})
	for range 12 {
		s = story{trace: s.trace, last: s.last, at: now}
		s.begin().add(0, "edge", signal.Server, "GET /")
		g.Add(s.spans)
		now = now.Add(5 * time.Minute)
	}
	for window, want := range map[time.Duration]float64{0: 0, time.Minute: 0, 6 * time.Minute: 1, 11 * time.Minute: 2, time.Hour: 12, 24 * time.Hour: 12} {
		m, got := g.Map(window), 0.0
		for _, e := range m.Edges {
			got += e.Count
		}
		equal(t, got, want)
	}
	now = now.Add(2 * time.Hour)
	if m := g.Map(time.Hour); len(m.Nodes)+len(m.Edges) > 0 {
		t.Errorf("hours later: %+v", m)
	}
}

func TestHistoryHasAValueForEachMoment(t *testing.T) {
	now := noon
	g := at(&now, graph.Config{})
	var one story
	for _, s := range []string{"cart", "notify", "cart", "notify", "cart"} {
		one = story{trace: one.trace, last: one.last, at: now}
		one.begin().add(0, s, signal.Server, "GET /")
		g.Add(one.spans)
		now = now.Add(10 * time.Second)
	}
	var moments []time.Time
	for i := range 6 {
		moments = append(moments, noon.Add(time.Duration(i)*10*time.Second))
	}
	rates := func(service string) []float64 {
		var list []float64
		for _, n := range g.History(service, moments, 20*time.Second) {
			if n == nil {
				list = append(list, -1)
			} else {
				list = append(list, n.Rate)
			}
		}
		return list
	}
	equal(t, rates("cart"), []float64{-1, -1, 0.05, 0.05, 0.05, 0.05})
	equal(t, rates("notify"), []float64{-1, -1, 0.05, 0.05, 0.05, 0.05})
	equal(t, rates("orders"), []float64{-1, -1, -1, -1, -1, -1})
}
