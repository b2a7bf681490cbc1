package draw

import (
	"math"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/graph"
)

// smoothings is how often spots are moved towards their neighbours.
const smoothings = 24

// place turns layers and orders into px.
func (l *layout) place(m graph.Map) Placed {
	for _, layer := range l.layers {
		y := 0.0
		for n, i := range layer {
			if n > 0 {
				y += l.apart(layer[n-1], i)
			}
			l.spots[i].y = y
		}
	}
	for n := range smoothings {
		for i := range l.layers {
			layer := l.layers[i]
			if n%2 == 1 {
				layer = l.layers[len(l.layers)-1-i]
			}
			l.smooth(layer)
		}
	}
	top := math.Inf(1)
	for i := range l.spots {
		top = min(top, l.spots[i].y)
	}
	p := Placed{Width: 2*margin + boxWidth, Height: 2*margin + boxHeight}
	at := func(i int) Point {
		s := &l.spots[i]
		return Point{margin + boxWidth/2 + float64(s.layer)*(boxWidth+gapX), margin + boxHeight/2 + s.y - top}
	}
	for i := range l.spots {
		p.Width, p.Height = max(p.Width, at(i).X+boxWidth/2+margin), max(p.Height, at(i).Y+boxHeight/2+margin)
	}
	index := map[string]int{}
	for i, n := range m.Nodes {
		index[n.Name] = i
		p.Nodes = append(p.Nodes, PlacedNode{n, at(i).X, at(i).Y})
	}
	for _, e := range m.Edges {
		from, ok := index[e.From]
		to, too := index[e.To]
		placed := PlacedEdge{Edge: e}
		if ok && too {
			placed.Points = l.way(from, to, at)
		}
		p.Edges = append(p.Edges, placed)
	}
	return p
}

// apart is how far two spots of a layer are from each other at least.
func (l *layout) apart(a, b int) float64 {
	half := func(i int) float64 {
		if l.spots[i].bend {
			return 4
		}
		return boxHeight / 2
	}
	return half(a) + half(b) + gapY
}

// smooth moves the spots of a layer towards the mean of their neighbours, in their order
// and as far apart as they must be.
func (l *layout) smooth(layer []int) {
	if len(layer) == 0 {
		return
	}
	want, shift := make([]float64, len(layer)), 0.0
	for n, i := range layer {
		want[n] = l.mean(i, slices.Concat(l.spots[i].left, l.spots[i].right))
	}
	for n, i := range layer {
		y := want[n]
		if n > 0 {
			y = max(y, l.spots[layer[n-1]].y+l.apart(layer[n-1], i))
		}
		l.spots[i].y = y
		shift += want[n] - y
	}
	shift /= float64(len(layer)) // who was pushed down takes the others up by as much
	for _, i := range layer {
		l.spots[i].y += shift
	}
}

// way is what an edge goes through.
func (l *layout) way(from, to int, at func(int) Point) []Point {
	if from == to {
		p := at(from)
		return []Point{{p.X - 24, p.Y - boxHeight/2}, {p.X - 24, p.Y - boxHeight/2 - 16}, {p.X + 24, p.Y - boxHeight/2 - 16}, {p.X + 24, p.Y - boxHeight/2}}
	}
	bends, back := l.chains[[2]int{from, to}], false
	if l.spots[from].layer > l.spots[to].layer {
		bends, back = slices.Clone(l.chains[[2]int{to, from}]), true
		slices.Reverse(bends)
	}
	out, in := boxWidth/2, -boxWidth/2
	offset := 0.0
	if back {
		out, in, offset = in, out, 8 // beside the edge that goes the other way
	}
	begin, end := at(from), at(to)
	points := []Point{{begin.X + out, begin.Y + offset}}
	for _, b := range bends {
		p := at(b)
		points = append(points, Point{p.X, p.Y + offset})
	}
	return append(points, Point{end.X + in, end.Y + offset})
}
