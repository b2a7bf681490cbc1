package draw

import (
	"cmp"
	"maps"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/graph"
)

// The sizes of a drawing in px.
const (
	boxWidth  = 176.0
	boxHeight = 54.0
	gapX      = 120.0
	gapY      = 26.0
	margin    = 24.0
	sweeps    = 12
	mostBends = 20_000 // of all edges: beyond, edges go straight through layers
)

// Placed is a map with places in px, the origin being the left upper corner.
type Placed struct {
	Width, Height float64
	Nodes         []PlacedNode // in the map's order
	Edges         []PlacedEdge // in the map's order
}

// PlacedNode is a node and the middle of its box.
type PlacedNode struct {
	graph.Node

	X, Y float64
}

// PlacedEdge is an edge and the points that it goes through, from the border of one box
// to that of the other.
type PlacedEdge struct {
	graph.Edge

	Points []Point
}

// Point is a place.
type Point struct{ X, Y float64 }

// Layout places a map in layers from left to right, callers left of whom they call as far
// as there are no rings, with few crossings (Sugiyama, Tagawa and Toda, 1981: longest-path
// layers, order by barycentres). Equal maps have equal places.
func Layout(m graph.Map) Placed {
	l := newLayout(m)
	l.layer()
	l.bend()
	l.order()
	return l.place(m)
}

// spot is a node of the drawing, or a bend of an edge that passes a layer.
type spot struct {
	layer int
	y     float64
	left  []int
	right []int
	bend  bool
}

// layout is a drawing in the making.
type layout struct {
	spots  []spot
	links  [][2]int         // between nodes, from left to right, each once
	chains map[[2]int][]int // the bends of a link
	layers [][]int
}

func newLayout(m graph.Map) *layout {
	l := &layout{spots: make([]spot, len(m.Nodes)), chains: map[[2]int][]int{}}
	index := make(map[string]int, len(m.Nodes))
	for i, n := range m.Nodes {
		index[n.Name] = i
	}
	next := make([][]int, len(m.Nodes))
	in := make([]int, len(m.Nodes))
	for _, e := range m.Edges {
		from, ok := index[e.From]
		to, too := index[e.To]
		if ok && too && from != to && !slices.Contains(next[from], to) {
			next[from] = append(next[from], to)
			in[to]++
		}
	}
	// Edges that close a ring are turned round: those met on the way back to where a
	// walk from the users, and who is called by nobody, came from.
	begin := make([]int, len(m.Nodes))
	for i := range begin {
		begin[i] = i
	}
	rank := func(i int) int {
		switch {
		case m.Nodes[i].Kind == "user":
			return 0
		case in[i] == 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(begin, func(a, b int) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(m.Nodes[a].Name, m.Nodes[b].Name))
	})
	const (
		unseen = iota
		open
		done
	)
	state := make([]int, len(m.Nodes))
	links := map[[2]int]struct{}{}
	type visit struct{ at, child int }
	for _, i := range begin {
		if state[i] != unseen {
			continue
		}
		state[i] = open
		for stack := []visit{{i, 0}}; len(stack) > 0; {
			v := &stack[len(stack)-1]
			if v.child == len(next[v.at]) {
				state[v.at] = done
				stack = stack[:len(stack)-1]
				continue
			}
			to := next[v.at][v.child]
			v.child++
			if state[to] == open {
				links[[2]int{to, v.at}] = struct{}{}
				continue
			}
			links[[2]int{v.at, to}] = struct{}{}
			if state[to] == unseen {
				state[to] = open
				stack = append(stack, visit{to, 0})
			}
		}
	}
	l.links = slices.SortedFunc(maps.Keys(links), func(a, b [2]int) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	return l
}

// layer puts each spot right of all that lead to it, as far left as it goes; who is
// called by nobody stands right beside whom it calls.
func (l *layout) layer() {
	next, waits := make([][]int, len(l.spots)), make([]int, len(l.spots))
	for _, k := range l.links {
		next[k[0]] = append(next[k[0]], k[1])
		waits[k[1]]++
	}
	var ready []int
	for i := range l.spots {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	first := slices.Clone(ready)
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		for _, to := range next[i] {
			l.spots[to].layer = max(l.spots[to].layer, l.spots[i].layer+1)
			if waits[to]--; waits[to] == 0 {
				ready = append(ready, to)
			}
		}
	}
	for _, i := range first {
		nearest := -1
		for _, to := range next[i] {
			if nearest < 0 || l.spots[to].layer < nearest {
				nearest = l.spots[to].layer
			}
		}
		l.spots[i].layer = max(nearest-1, 0)
	}
}

// bend gives links that pass layers a spot in each.
func (l *layout) bend() {
	bends := 0
	for _, k := range l.links {
		bends += l.spots[k[1]].layer - l.spots[k[0]].layer - 1
	}
	for _, k := range l.links {
		at := k[0]
		if bends <= mostBends {
			for layer := l.spots[at].layer + 1; layer < l.spots[k[1]].layer; layer++ {
				l.spots = append(l.spots, spot{layer: layer, bend: true})
				to := len(l.spots) - 1
				l.join(at, to)
				l.chains[k] = append(l.chains[k], to)
				at = to
			}
		}
		l.join(at, k[1])
	}
	for i, s := range l.spots {
		for len(l.layers) <= s.layer {
			l.layers = append(l.layers, nil)
		}
		l.layers[s.layer] = append(l.layers[s.layer], i)
	}
}

func (l *layout) join(from, to int) {
	l.spots[from].right = append(l.spots[from].right, to)
	l.spots[to].left = append(l.spots[to].left, from)
}

// order sorts each layer by the mean place of the neighbours, to and fro, and keeps the
// order with the fewest crossings.
func (l *layout) order() {
	l.number()
	best, fewest := clone(l.layers), l.crossings()
	for n := 0; n < sweeps && fewest > 0; n++ {
		for i := range l.layers {
			if n%2 == 0 {
				l.sort(i, func(s *spot) []int { return s.left })
			} else {
				l.sort(len(l.layers)-1-i, func(s *spot) []int { return s.right })
			}
		}
		if c := l.crossings(); c < fewest {
			best, fewest = clone(l.layers), c
		}
	}
	l.layers = best
	l.number()
}

func clone(layers [][]int) [][]int {
	c := make([][]int, len(layers))
	for i := range layers {
		c[i] = slices.Clone(layers[i])
	}
	return c
}

// number makes y the place in the layer.
func (l *layout) number() {
	for _, layer := range l.layers {
		for y, i := range layer {
			l.spots[i].y = float64(y)
		}
	}
}

func (l *layout) sort(layer int, beside func(*spot) []int) {
	mean := map[int]float64{}
	for _, i := range l.layers[layer] {
		mean[i] = l.mean(i, beside(&l.spots[i]))
	}
	slices.SortStableFunc(l.layers[layer], func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
	for y, i := range l.layers[layer] {
		l.spots[i].y = float64(y)
	}
}

// mean is the mean place of the neighbours, its own where there are none.
func (l *layout) mean(i int, beside []int) float64 {
	if len(beside) == 0 {
		return l.spots[i].y
	}
	sum := 0.0
	for _, n := range beside {
		sum += l.spots[n].y
	}
	return sum / float64(len(beside))
}

// crossings counts the pairs of links between two layers that cross.
func (l *layout) crossings() int {
	n := 0
	for _, layer := range l.layers {
		var ends []float64 // of the links, by their begin
		for _, i := range layer {
			right := make([]float64, 0, len(l.spots[i].right))
			for _, to := range l.spots[i].right {
				right = append(right, l.spots[to].y)
			}
			slices.Sort(right)
			for _, y := range right {
				at, _ := slices.BinarySearch(ends, y+0.5) // those that end at or above it
				n += len(ends) - at
				ends = slices.Insert(ends, at, y)
			}
		}
	}
	return n
}
