// Package tree puts the spans of a trace together: who is whose child, how long each was
// busy itself, and which of them everything waited for. It is pure.
package tree

import (
	"cmp"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Node is a span in its tree.
type Node struct {
	// Span is the span that was given; where Moved is not 0, a copy of it whose Start and
	// whose events' times have Moved added already.
	*signal.Span

	Above    *Node // the parent, nil of a root
	Depth    int   // 0 of a root
	Missing  bool  // its parent is named and not among the spans, or is its own descendant
	Moved    int64 // ns added to Start because its process's clock differs from its parent's
	Own      int64 // ns in which none of the children that it waits for ran: exclusive time, <= Duration
	Children []*Node

	next *Node // another with the same id, of another service
	mark int   // of the walk in which it was met first
}

// Behind reports whether n is work that its parent does not wait for: it handles a
// message, or it began when the parent had ended. Of a root it is false.
func (n *Node) Behind() bool {
	p := n.Above
	return p != nil && (n.handles() || n.Start > p.End())
}

// handles reports whether n was set off by a message of its parent's.
func (n *Node) handles() bool {
	return n.Kind == signal.Consumer || n.Kind == signal.Server && n.Above.Kind == signal.Producer
}

// Piece is a piece of the critical path.
type Piece struct {
	Node        *Node
	From, Until int64 // ns since 1970; From < Until
}

// Tree is a trace.
type Tree struct {
	Nodes    []*Node // each before its children, those by their start
	Roots    []*Node // those without a parent among the spans: first those that name none, each sort by start
	Critical []Piece // of the first root, by time: they cover it without gap or overlap
	Skewed   bool    // some were moved
}

// Root returns the node that the trace is named after, nil where there are no spans.
func (t *Tree) Root() *Node {
	if len(t.Roots) == 0 {
		return nil
	}
	return t.Roots[0]
}

// End returns when the last of all spans ended, in ns since 1970; 0 where there are none.
func (t *Tree) End() int64 {
	var end int64
	for _, n := range t.Nodes {
		end = max(end, n.End())
	}
	return end
}

// Build puts the spans of one trace together, in whatever order they come. It takes any
// input: of spans with the same id and service one is kept; one whose parent is not there
// is a root, and so is the first to begin of those that are one another's ancestors; a
// start past 2116 or before 1970 and a duration below 0 are cut. Where two services share
// an id, as a caller and the one it calls do in Zipkin's model, the server is the
// client's child.
//
// A span of another process that lies outside of the parent that waited for it is moved
// inside, with all below it, as Jaeger's clock skew adjuster does. Spans whose resources
// name the same host (host.id, else host.name) are not moved, nor is work that nobody
// waited for; see Node.Behind.
//
// The tree points to the spans; Build changes none of them.
func Build(spans []signal.Span) *Tree {
	slab := distinct(spans)
	link(slab)
	t := &Tree{Nodes: make([]*Node, 0, len(slab))}
	room := make([]*Node, 0, len(slab))
	for i := range slab {
		n := &slab[i]
		if n.Above == nil {
			t.Roots = append(t.Roots, n)
			continue
		}
		n.Above.Depth++ // counts the children until their turn comes
	}
	for i := range slab {
		n := &slab[i]
		n.Children = room[len(room) : len(room) : len(room)+n.Depth]
		room = room[:len(room)+n.Depth]
		n.Depth = 0
	}
	for i := range slab {
		if p := slab[i].Above; p != nil {
			p.Children = append(p.Children, &slab[i])
		}
	}
	slices.SortStableFunc(t.Roots, func(a, b *Node) int { // they are in the order of their start
		return cmp.Compare(named(a), named(b))
	})
	todo := slices.Clone(t.Roots)
	slices.Reverse(todo)
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		t.Nodes = append(t.Nodes, n)
		for _, c := range n.Children {
			c.Depth = n.Depth + 1
			t.Skewed = c.settle() || t.Skewed
		}
		slices.SortStableFunc(n.Children, func(a, b *Node) int { return cmp.Compare(a.Start, b.Start) })
		n.Own = n.exclusive()
		for _, c := range slices.Backward(n.Children) {
			todo = append(todo, c)
		}
	}
	if root := t.Root(); root != nil {
		t.Critical = critical(root)
	}
	return t
}

// named is 0 for a root that names no parent, else 1.
func named(n *Node) int {
	if n.Missing {
		return 1
	}
	return 0
}
