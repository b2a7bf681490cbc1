package graph

import "github.com/musterdev/muster/platform/telemetry/signal"

// mostClimbed bounds the way from a message up to its producer; a ring of parents ends there.
const mostClimbed = 64

// add keeps spans and joins what can be joined by now.
func (g *Graph) add(spans []signal.Span, now int64) {
	for uint64(len(spans)) > uint64(g.spans.most)-(g.spans.next-g.spans.first) { //nolint:gosec // both are small
		g.drop(now)
	}
	begin := g.spans.next
	for i := range spans {
		s := &spans[i]
		if s.Trace.IsZero() || s.ID.IsZero() || g.spans.get(key{s.Trace, s.ID}) != nil {
			continue // it cannot be joined, or is here already
		}
		rec := g.record(s, now)
		g.past.hear(rec.service, rec.start+rec.took, now)
		g.spans.push(rec)
	}
	for seq := begin; seq < g.spans.next; seq++ {
		for _, waiting := range g.spans.called(g.spans.at(seq).key) { // they may answer it
			g.join(waiting, now)
		}
		g.join(seq, now)
	}
}

// join finds what a span is a part of. One that has to know another waits for it.
func (g *Graph) join(seq uint64, now int64) {
	rec := g.spans.at(seq)
	if rec.done {
		return
	}
	switch rec.kind {
	case signal.Server:
		g.joinServer(seq, rec, now)
	case signal.Consumer:
		g.joinConsumer(seq, rec, now)
	case signal.Client:
		g.joinClient(seq, rec, now)
	default:
		g.joinOther(seq, rec, now)
	}
}

// count notes a request or message at its node, once.
func (g *Graph) count(rec *record, now int64) {
	if rec.counted || rec.service == g.broker {
		return
	}
	rec.counted = true
	g.past.node(rec.service, rec, now)
}

func (g *Graph) joinServer(seq uint64, rec *record, now int64) {
	if rec.parent.IsZero() {
		rec.done = true
		g.count(rec, now)
		if rec.service != g.broker {
			g.past.edge(edgeKey{from: userName, to: rec.service, kind: call}, rec.label, rec, rec, now)
		}
		return
	}
	parent := g.parent(seq, rec)
	if parent == nil {
		return
	}
	rec.done = true
	parent.answered = true
	switch {
	case rec.service == g.broker:
	case parent.service == g.broker:
		if from, topic, missing := g.climb(rec, parent); from != nil {
			g.event(from, topic, rec, now)
		} else if missing != (key{}) {
			rec.done = false
			g.spans.wait(seq, rec, missing)
		}
		g.count(rec, now)
	case parent.kind == signal.Producer:
		g.event(parent, 0, rec, now)
		g.count(rec, now)
	case parent.service != rec.service || parent.kind == signal.Client:
		g.called(parent, rec, now)
		g.count(rec, now)
	default: // a part of another server's span of the same program
	}
}

// called notes a call, as the caller saw it.
func (g *Graph) called(parent, rec *record, now int64) {
	seen := rec
	if parent.kind == signal.Client {
		seen = parent
		if parent.counted && parent.peer == rec.service {
			return // noted when there was no hope of an answer
		}
		parent.counted = true
	}
	g.past.edge(edgeKey{from: parent.service, to: rec.service, kind: call}, rec.label, rec, seen, now)
}

// event notes a message.
func (g *Graph) event(from *record, topic name, rec *record, now int64) {
	for _, t := range []name{rec.topic, topic, from.topic, rec.label} {
		if t != 0 {
			topic = t
			break
		}
	}
	g.past.edge(edgeKey{from: from.service, to: rec.service, kind: event}, topic, rec, rec, now)
}

// parent returns a span's parent; nil when it is not there, and then the span waits for it.
func (g *Graph) parent(seq uint64, rec *record) *record {
	k := key{rec.trace, rec.parent}
	parent := g.spans.get(k)
	if parent == nil {
		g.spans.wait(seq, rec, k)
	}
	return parent
}

// climb goes from a message's span up to what sent it: through the broker, and within
// the receiving service through what only surrounds the handling. It returns nil when
// nothing did, or when a span on the way is not there, whose key is missing.
func (g *Graph) climb(rec, at *record) (from *record, topic name, missing key) {
	for range mostClimbed {
		switch {
		case at.service == g.broker:
			if topic == 0 {
				topic = at.topic
			}
			if at.kind == signal.Client {
				at.answered = true
			}
		case at.service != rec.service:
			return at, topic, key{}
		case at.kind == signal.Internal, at.kind == signal.Unspecified, at.kind == signal.Consumer && at.topic == rec.topic:
		default: // the service itself
			return at, topic, key{}
		}
		up := key{at.trace, at.parent}
		if at.parent.IsZero() {
			if len(at.links) == 0 {
				return nil, topic, key{}
			}
			up = at.links[0]
		}
		if at = g.spans.get(up); at == nil {
			return nil, topic, up
		}
	}
	return nil, topic, key{}
}

func (g *Graph) joinConsumer(seq uint64, rec *record, now int64) {
	g.count(rec, now)
	if rec.service == g.broker {
		rec.done = true
		return
	}
	var missing key
	if !rec.parent.IsZero() {
		parent := g.parent(seq, rec)
		if parent == nil {
			return
		}
		from, topic, absent := g.climb(rec, parent)
		if from != nil {
			rec.done = true
			g.event(from, topic, rec, now)
			return
		}
		missing = absent
	}
	for _, link := range rec.links {
		at := g.spans.get(link)
		if at == nil {
			if missing == (key{}) {
				missing = link
			}
			continue
		}
		if from, topic, _ := g.climb(rec, at); from != nil {
			rec.done = true
			g.event(from, topic, rec, now)
		}
	}
	if rec.done || missing == (key{}) {
		rec.done = true
		return
	}
	g.spans.wait(seq, rec, missing)
}

func (g *Graph) joinClient(seq uint64, rec *record, now int64) {
	if !rec.parent.IsZero() {
		parent := g.spans.get(key{rec.trace, rec.parent})
		switch {
		case parent == nil && rec.waits == (key{}):
			g.parent(seq, rec)
		case parent != nil && parent.kind == signal.Client && parent.service == rec.service:
			if parent.counted && parent.peerKind == database { // the same query, seen twice
				rec.answered = true
				return
			}
			parent.answered = true // by this one
		}
	}
	if rec.peerKind == database && !rec.answered {
		rec.answered, rec.counted = true, true
		g.past.edge(edgeKey{from: rec.service, to: rec.peer, kind: query}, rec.label, rec, rec, now)
		g.past.node(rec.peer, rec, now)
		g.past.be(rec.peer, database)
	}
}

// joinOther takes what a program does for another without saying that it serves.
func (g *Graph) joinOther(seq uint64, rec *record, now int64) {
	if rec.parent.IsZero() || rec.service == g.broker {
		rec.done = true
		return
	}
	parent := g.spans.get(key{rec.trace, rec.parent})
	switch {
	case parent == nil && rec.label != 0: // its parent is another process's
		g.parent(seq, rec)
		return
	case parent == nil:
		return
	case parent.service != rec.service && parent.kind == signal.Client:
		parent.answered = true
		g.called(parent, rec, now)
		g.count(rec, now)
	}
	rec.done = true
}
