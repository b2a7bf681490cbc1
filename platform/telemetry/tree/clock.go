package tree

import (
	"slices"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// tolerance is how far a span may lie outside of its parent without a doubt about the
// clocks: some programs' clocks tick in milliseconds.
const tolerance = int64(time.Millisecond)

// settle moves a node whose parent has its place already, and reports whether it did.
func (n *Node) settle() bool {
	by := n.Above.Moved
	if !sameClock(n.Span, n.Above.Span) {
		by = n.skew()
	}
	if at := n.Start + by; by == 0 || at < 0 || at > mostStart {
		return false
	}
	s := *n.Span
	s.Start += by
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		if at := s.Events[i].Time; at >= 0 && at <= mostStart { // what senders say has no bounds
			s.Events[i].Time += by
		}
	}
	n.Span, n.Moved = &s, by
	return true
}

// sameClock reports whether two spans' times were read from one clock, as far as is known.
func sameClock(a, b *signal.Span) bool {
	if a.Service == b.Service && len(a.Resource) == len(b.Resource) && (len(a.Resource) == 0 || &a.Resource[0] == &b.Resource[0]) {
		return true // one process sent them together
	}
	for _, key := range []string{"host.id", "host.name"} {
		if x, y := a.Resource.Text(key), b.Resource.Text(key); x != "" && y != "" {
			return x == y
		}
	}
	const instance = "service.instance.id"
	return a.Service == b.Service && a.Resource.Text(instance) == b.Resource.Text(instance)
}

// skew returns what is to be added to the start of a node of another process so that it
// lies within its parent; 0 where nothing tells that the clocks differ.
func (n *Node) skew() int64 {
	p := n.Above
	early, late := p.Start-n.Start, n.End()-p.End()
	failed := p.Status == signal.Error // so that it may not have waited
	switch {
	case n.handles():
		return 0
	case n.Start > p.End() && (n.Kind != signal.Server || p.Kind != signal.Client || failed):
		return 0 // nobody waited for it
	case n.Duration > p.Duration: // its parent gave up, or did not wait
		if early <= tolerance {
			return 0
		}
		return early
	case early > tolerance:
	case late <= tolerance, failed, late < n.Duration/4:
		return 0 // it cleans up after its answer, say
	}
	return early + (p.Duration-n.Duration)/2
}
