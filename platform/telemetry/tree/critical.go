package tree

import (
	"cmp"
	"slices"
)

// exclusive returns the time of a node in which no child that it waits for ran. Its
// children have their places and are in the order of their start.
func (n *Node) exclusive() int64 {
	own, at, end := n.Duration, n.Start, n.End()
	for _, c := range n.Children {
		if c.Behind() {
			continue
		}
		from, until := max(at, c.Start), min(end, c.End())
		if from < until {
			own -= until - from
			at = until
		}
	}
	return own
}

// walk is a node on the critical path while its part of it is found, from its end back.
type walk struct {
	node     *Node
	children []*Node // that may be waited for still, the last to end last
	from, at int64   // the part is from..at
	until    int64   // where at began
}

// critical returns the critical path of a root: from its end back in time, whoever waits
// for children was, before the last of them ended, kept by that one, and before that one
// began by the last that had ended then (Zhang et al., "CRISP: Critical Path Analysis of
// Large-Scale Microservice Architectures", USENIX ATC 2022). What of a child lies outside
// of its parent does not count. It does not recurse: traces may be as deep as they are long.
func critical(root *Node) []Piece {
	var path []Piece // backwards
	piece := func(n *Node, from, until int64) {
		if from >= until {
			return
		}
		if last := len(path) - 1; last >= 0 && path[last].Node == n && path[last].From == until {
			path[last].From = from
			return
		}
		path = append(path, Piece{Node: n, From: from, Until: until})
	}
	stack := []walk{enter(root, root.Start, root.End())}
	for len(stack) > 0 {
		w := &stack[len(stack)-1]
		c := w.kept()
		if c == nil {
			piece(w.node, w.from, w.at)
			stack = stack[:len(stack)-1]
			continue
		}
		until := min(w.at, c.End())
		from := max(w.from, c.Start)
		piece(w.node, until, w.at)
		w.at = from
		stack = append(stack, enter(c, from, until))
	}
	slices.Reverse(path)
	return path
}

func enter(n *Node, from, until int64) walk {
	w := walk{node: n, from: from, at: until, until: until}
	for _, c := range n.Children {
		if !c.Behind() && c.Start < until && c.End() > from {
			w.children = append(w.children, c)
		}
	}
	slices.SortStableFunc(w.children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(w.end(a), w.end(b)), cmp.Compare(b.Start, a.Start))
	})
	return w
}

// end is when a child ended, as far as the walk goes.
func (w *walk) end(c *Node) int64 { return min(w.until, c.End()) }

// kept returns the child that kept the node last before w.at, nil where none did.
func (w *walk) kept() *Node {
	for len(w.children) > 0 {
		last := len(w.children) - 1
		c := w.children[last]
		w.children = w.children[:last]
		// one that still ran then was not waited for; unless it is the reading of the clocks
		if c.Start < w.at && w.end(c)-w.at <= min(tolerance, c.Duration/10) {
			return c
		}
	}
	return nil
}
