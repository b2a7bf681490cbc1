package draw_test

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/graph/draw"
)

// ofOrders is the map of ten orders of the shop.
func ofOrders(t *testing.T) (m graph.Map) {
	data, err := os.ReadFile("testdata/orders.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAMapAsText(t *testing.T) {
	want := `NODE              KIND      IN  OUT  RATE   ERRORS  P50    P99
card.example.com  external  1   0    0.2/s  0%      9.9ms  9.9ms
cart              service   1   0    0.2/s  0%      9.9ms  9.9ms
`
	got := draw.Text(ofOrders(t))
	if !strings.HasPrefix(got, want) || !strings.Contains(got, "\nFROM ") || !strings.Contains(got, "orders.placed\n") {
		t.Error(got)
	}
	if got := draw.Text(graph.Map{}); got != "nothing was heard of any service\n" {
		t.Error(got)
	}
}

func TestADrawingOfOrders(t *testing.T) {
	for _, theme := range []draw.Theme{draw.Auto, draw.Light, draw.Dark} {
		svg := draw.SVG(ofOrders(t), theme)
		wellFormed(t, svg)
		name := filepath.Join("testdata", string(theme)+".svg")
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(name, svg, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil || string(want) != string(svg) {
			t.Errorf("the drawing differs from %s (%v): look at it, and run with UPDATE=1", name, err)
		}
	}
}

func wellFormed(t interface{ Errorf(string, ...any) }, doc []byte) {
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Errorf("%v in %s", err, doc)
			return
		}
	}
}

// anyMap draws maps with names that make trouble.
var anyMap = rapid.Custom(func(t *rapid.T) graph.Map {
	var m graph.Map
	n := rapid.IntRange(0, 20).Draw(t, "nodes")
	for i := range n {
		kind := rapid.SampledFrom([]string{"service", "database", "external", "user", "<x"}).Draw(t, "kind")
		m.Nodes = append(m.Nodes, graph.Node{Name: fmt.Sprint(i, rapid.String().Draw(t, "name")), Kind: kind, Rate: rapid.Float64Range(0, 1e6).Draw(t, "rate")})
	}
	for range rapid.IntRange(0, 3*n).Draw(t, "edges") {
		e := graph.Edge{Kind: rapid.SampledFrom([]string{"call", "event", "query"}).Draw(t, "kind"), Labels: []string{rapid.String().Draw(t, "label")}}
		e.From, e.To = rapid.SampledFrom(m.Nodes).Draw(t, "from").Name, rapid.SampledFrom(m.Nodes).Draw(t, "to").Name
		if rapid.IntRange(0, 20).Draw(t, "lost") == 0 {
			e.To = "not there"
		}
		m.Edges = append(m.Edges, e)
	}
	return m
})

func TestPlacesDoNotOverlap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMap.Draw(t, "map")
		p := draw.Layout(m)
		if len(p.Nodes) != len(m.Nodes) || len(p.Edges) != len(m.Edges) {
			t.Fatalf("%d nodes and %d edges, want %d and %d", len(p.Nodes), len(p.Edges), len(m.Nodes), len(m.Edges))
		}
		for i, a := range p.Nodes {
			if a.X < 88 || a.Y < 27 || a.X > p.Width-88 || a.Y > p.Height-27 {
				t.Errorf("%q lies outside: %g %g of %g %g", a.Name, a.X, a.Y, p.Width, p.Height)
			}
			for _, b := range p.Nodes[:i] {
				if math.Abs(a.X-b.X) < 176 && math.Abs(a.Y-b.Y) < 54 {
					t.Errorf("%q lies on %q", a.Name, b.Name)
				}
			}
		}
		wellFormed(t, draw.SVG(m, draw.Auto))
		if again := draw.Layout(m); !reflect.DeepEqual(again, p) {
			t.Errorf("another time it is\n%+v, not\n%+v", again, p)
		}
	})
}

// Without rings, every edge leads to the right.
func TestCallersStandLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMap.Draw(t, "map")
		index := map[string]int{}
		for i, n := range m.Nodes {
			index[n.Name] = i
		}
		for i, e := range m.Edges {
			if to, ok := index[e.To]; ok && index[e.From] > to {
				m.Edges[i].From, m.Edges[i].To = e.To, e.From
			}
		}
		p := draw.Layout(m)
		for _, e := range p.Edges {
			if len(e.Points) > 0 && e.From != e.To && e.Points[0].X >= e.Points[len(e.Points)-1].X {
				t.Errorf("%q -> %q goes back", e.From, e.To)
			}
		}
	})
}

// The layout has no crossing where there need be none.
func TestATreeHasNoCrossings(t *testing.T) {
	m := graph.Map{}
	for i := range 40 {
		m.Nodes = append(m.Nodes, graph.Node{Name: fmt.Sprintf("n%02d", (i*17)%40), Kind: "service"})
	}
	for i := 1; i < 40; i++ {
		m.Edges = append(m.Edges, graph.Edge{From: m.Nodes[(i-1)/3].Name, To: m.Nodes[i].Name, Kind: "call"})
	}
	p := draw.Layout(m)
	for i, a := range p.Edges {
		for _, b := range p.Edges[:i] {
			if a.Points[0].X != b.Points[0].X {
				continue
			}
			if (a.Points[0].Y-b.Points[0].Y)*(a.Points[1].Y-b.Points[1].Y) < 0 {
				t.Errorf("%s -> %s crosses %s -> %s", a.From, a.To, b.From, b.To)
			}
		}
	}
}

// Maps far larger than anybody reads are drawn in bounded time.
func TestAHugeMapIsDrawn(t *testing.T) {
	var m graph.Map
	for i := range 1000 {
		m.Nodes = append(m.Nodes, graph.Node{Name: fmt.Sprint(i)})
		for k := range 8 {
			m.Edges = append(m.Edges, graph.Edge{From: fmt.Sprint(i), To: fmt.Sprint((i*7 + k*k*31 + 1) % 1000)})
		}
	}
	begin := time.Now()
	wellFormed(t, draw.SVG(m, draw.Dark))
	t.Logf("1000 nodes, 8000 edges: %s", time.Since(begin))
}
