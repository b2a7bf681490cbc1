package query

import (
	"slices"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// backlinks finds the spans that link to one: of the last that came in, because a store
// has no index for it. The zero value is empty.
type backlinks struct {
	by    map[Link][]Link // to whom, from whom, the newest last
	order []Link          // the targets as they came in: a ring
	next  int
}

// add remembers a link. At most 20 of one target count.
func (b *backlinks) add(to signal.Link, from Link) {
	target := Link{Trace: to.Trace, Span: to.Span}
	if target.Trace == from.Trace { // in view anyway
		return
	}
	if b.by == nil {
		b.by = map[Link][]Link{}
	}
	list := b.by[target]
	if slices.Contains(list, from) {
		return
	}
	if list == nil {
		b.remember(target)
	}
	if len(list) == mostBacks {
		list = list[1:]
	}
	b.by[target] = append(list, from)
}

func (b *backlinks) remember(target Link) {
	if len(b.order) < mostBacked/mostBacks*4 {
		b.order = append(b.order, target)
		return
	}
	delete(b.by, b.order[b.next])
	b.order[b.next] = target
	b.next = (b.next + 1) % len(b.order)
}

// linkedBy returns the spans of other traces that link to a span, the newest first.
func (l *Live) linkedBy(trace signal.TraceID, span signal.SpanID) []Link {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.back.by) == 0 {
		return nil
	}
	list := slices.Clone(l.back.by[Link{Trace: trace, Span: span}])
	slices.Reverse(list)
	return list
}
