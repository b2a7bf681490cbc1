package graph

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// mostShown is how many labels an edge has in a map.
const mostShown = 20

// draw makes the map of the window before now.
func (g *Graph) draw(now int64, window time.Duration) Map {
	until := float64(now) / 1e6
	m := Map{From: until, Until: until, Nodes: []Node{}, Edges: []Edge{}}
	h := &g.past
	if h.first == 0 {
		return m
	}
	number := max((now-window.Nanoseconds())/int64(step), min(h.first, now/int64(step)))
	m.From = float64(number*int64(step)) / 1e6
	seconds := max(float64(now-number*int64(step))/1e9, 1)
	heard, nodes, edges := g.sum(number, now/int64(step))

	_, hasEdge := heard[g.edge]
	in, out, seen := map[name]int{}, map[name]int{}, maps.Clone(heard)
	for k, s := range edges {
		if k.from == userName && hasEdge && k.to != g.edge {
			continue // from within: a probe, a test
		}
		in[k.to]++
		out[k.from]++
		seen[k.from], seen[k.to] = struct{}{}, struct{}{}
		m.Edges = append(m.Edges, Edge{
			From: g.name(k.from), To: g.name(k.to), Kind: k.kind.String(), Labels: g.labels(s), Count: s.count, Rate: s.count / seconds,
			Errors: s.share(), P50: s.quantile(0.5), P99: s.quantile(0.99),
		})
	}
	for n := range seen {
		if n == g.broker {
			continue
		}
		node := Node{Name: g.name(n), Kind: "user", In: in[n], Out: out[n]}
		if n != userName {
			node.Kind = h.kinds[n].String()
		}
		if s := nodes[n]; s != nil {
			node.Rate, node.Errors, node.P50, node.P99 = s.count/seconds, s.share(), s.quantile(0.5), s.quantile(0.99)
		}
		m.Nodes = append(m.Nodes, node)
	}
	slices.SortFunc(m.Nodes, func(a, b Node) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Kind, b.Kind))
	})
	return m
}

// history sums a service's buckets up before each moment, n of them.
func (g *Graph) history(service string, moments []time.Time, n int64) []*Node {
	out := make([]*Node, len(moments))
	of, known := g.names.of[short(service)]
	if !known || g.past.first == 0 {
		return out
	}
	heard := false
	for i, at := range moments {
		until := at.UnixNano() / int64(step) // the bucket that is not over yet
		if until-n < g.past.first {
			continue
		}
		var sum sketch
		for number := until - n; number < until; number++ {
			b := &g.past.buckets[number%int64(len(g.past.buckets))]
			if s := b.nodes[of]; b.number == number && s != nil {
				sum.merge(s)
			}
		}
		if heard = heard || sum.count > 0; !heard {
			continue
		}
		seconds := time.Duration(n * int64(step)).Seconds()
		out[i] = &Node{Name: service, Kind: g.past.kinds[of].String(), Rate: sum.count / seconds, Errors: sum.share(), P50: sum.quantile(0.5), P99: sum.quantile(0.99)}
	}
	return out
}

// sum adds up the buckets from one number to another.
func (g *Graph) sum(from, until int64) (heard map[name]struct{}, nodes map[name]*sketch, edges map[edgeKey]*sketch) {
	heard, nodes, edges = map[name]struct{}{}, map[name]*sketch{}, map[edgeKey]*sketch{}
	for i := range g.past.buckets {
		b := &g.past.buckets[i]
		if b.number < from || b.number > until || b.number == 0 {
			continue
		}
		maps.Copy(heard, b.heard)
		merge(nodes, b.nodes)
		merge(edges, b.edges)
	}
	return heard, nodes, edges
}

func merge[K comparable](sums, more map[K]*sketch) {
	for k, s := range more {
		sum := sums[k]
		if sum == nil {
			sum = &sketch{}
			sums[k] = sum
		}
		sum.merge(s)
	}
}

// name returns a node's name.
func (g *Graph) name(n name) string {
	if n != userName {
		return g.names.texts[n]
	}
	if id, ok := g.names.of["user"]; ok && g.past.kinds[id] != 0 {
		return "(user)" // a service has the name already
	}
	return "user"
}

// labels returns what an edge is called, the most frequent first.
func (g *Graph) labels(s *sketch) []string {
	slices.SortFunc(s.labels, func(a, b labelled) int {
		return cmp.Or(cmp.Compare(b.count, a.count), cmp.Compare(g.names.texts[a.label], g.names.texts[b.label]))
	})
	list := make([]string, 0, min(len(s.labels), mostShown))
	for _, l := range s.labels[:min(len(s.labels), mostShown)] {
		if text := g.names.texts[l.label]; text != "" {
			list = append(list, text)
		}
	}
	return list
}
