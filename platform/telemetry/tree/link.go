package tree

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// The bounds of a start and of a duration in ns, so that no sum overflows.
const (
	mostStart    = 1 << 62
	mostDuration = 1 << 61
)

// distinct returns a node for each span, duplicates left out, in an order that does not
// depend on the input's.
func distinct(spans []signal.Span) []Node {
	order := make([]*signal.Span, len(spans))
	for i := range spans {
		order[i] = bounded(&spans[i])
	}
	slices.SortStableFunc(order, func(a, b *signal.Span) int {
		if c := cmp.Compare(a.Start, b.Start); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(b.Duration, a.Duration), bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Service, b.Service))
	})
	slab := make([]Node, 0, len(order)) // never grows: nodes point into it
	first := make(map[signal.SpanID]*Node, len(order))
next:
	for _, s := range order {
		twin := first[s.ID]
		for n := twin; n != nil && !s.ID.IsZero(); n = n.next {
			if n.Service == s.Service {
				continue next
			}
		}
		slab = append(slab, Node{Span: s})
		n := &slab[len(slab)-1]
		switch {
		case s.ID.IsZero(): // it can be nobody's parent
		case twin == nil:
			first[s.ID] = n
		default:
			n.next, twin.next = twin.next, n
		}
	}
	for i := range slab {
		n := &slab[i]
		n.Above = parent(n, first)
		n.Missing = n.Above == nil && !n.Parent.IsZero()
	}
	return slab
}

// bounded returns a span whose times can be added, s itself where it is one.
func bounded(s *signal.Span) *signal.Span {
	if s.Start >= 0 && s.Start <= mostStart && s.Duration >= 0 && s.Duration <= mostDuration {
		return s
	}
	b := *s
	b.Start, b.Duration = min(max(0, s.Start), mostStart), min(max(0, s.Duration), mostDuration)
	return &b
}

// parent finds a node's parent among those that there are.
func parent(n *Node, first map[signal.SpanID]*Node) *Node {
	if n.Kind == signal.Server {
		for twin := first[n.ID]; twin != nil; twin = twin.next {
			if twin != n && twin.Kind == signal.Client {
				return twin
			}
		}
	}
	if n.Parent.IsZero() {
		return nil
	}
	var found *Node
	for p := first[n.Parent]; p != nil; p = p.next {
		if p != n && (found == nil || p.Service == n.Service) {
			found = p
		}
	}
	return found
}

// link makes roots of nodes that are their own ancestors.
func link(slab []Node) {
	for i := range slab {
		walk := i + 1
		n := &slab[i]
		for n != nil && n.mark == 0 {
			n.mark = walk
			n = n.Above
		}
		if n == nil || n.mark != walk {
			continue // it ends at a root, or where an earlier walk has been
		}
		first := n // of the ring; the slab is in the order of starts
		for c := n.Above; c != n; c = c.Above {
			if before(c, first) {
				first = c
			}
		}
		first.Above, first.Missing = nil, !first.Parent.IsZero()
	}
}

func before(a, b *Node) bool {
	return cmp.Or(cmp.Compare(a.Start, b.Start), bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Service, b.Service)) < 0
}
