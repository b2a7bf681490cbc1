// Package tree puts the spans of a trace together: who is whose child, how long each was
// busy itself, and which of them everything waited for. It is pure.
package tree

import "github.com/musterdev/muster/platform/telemetry/signal"

// Node is a span in its tree.
type Node struct {
	*signal.Span

	Depth    int
	Missing  bool  // its parent is named and not among the spans
	Moved    int64 // ns added to Start because its process's clock differs from its parent's
	Own      int64 // ns in which none of its children ran: exclusive time
	Children []*Node
}

// Piece is a piece of the critical path.
type Piece struct {
	Node        *Node
	From, Until int64 // ns since 1970
}

// Tree is a trace.
type Tree struct {
	Nodes    []*Node // each before its children, those by their start
	Roots    []*Node // those without a parent among the spans, by their start
	Critical []Piece // of the first root, by time
	Skewed   bool    // some were moved
}
