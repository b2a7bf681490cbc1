package graph

import "github.com/musterdev/muster/platform/telemetry/signal"

// settle gives up on those that have waited for long, and forgets the old.
func (g *Graph) settle(now int64) {
	r := &g.spans
	for r.young < r.next && r.at(r.young).added <= now-g.cfg.Wait.Nanoseconds() {
		g.giveUp(r.young, now)
		r.young++
	}
	for r.first < r.young && r.at(r.first).added <= now-g.cfg.Keep.Nanoseconds() {
		r.drop()
	}
}

// drop makes room for a span.
func (g *Graph) drop(now int64) {
	if g.spans.first == g.spans.young {
		g.giveUp(g.spans.first, now)
		g.spans.young++
	}
	g.spans.drop()
}

// giveUp decides on a span whose counterpart did not come.
func (g *Graph) giveUp(seq uint64, now int64) {
	rec := g.spans.at(seq)
	if rec.done {
		return
	}
	switch rec.kind {
	case signal.Server:
		g.count(rec, now)
		if rec.service == g.edge && rec.waits == (key{rec.trace, rec.parent}) { // the browser's own trace
			g.past.edge(edgeKey{from: userName, to: rec.service, kind: call}, rec.label, rec, rec, now)
			g.spans.leave(seq, rec)
			rec.done = true
		}
	case signal.Client:
		if rec.answered || rec.peer == 0 || rec.peer == g.broker || rec.peer == rec.service {
			return
		}
		rec.counted = true
		g.unanswered(rec, now)
	default:
	}
}

// unanswered notes a call of somebody who sends no spans, or does not do it now.
func (g *Graph) unanswered(rec *record, now int64) {
	e := edgeKey{from: rec.service, to: rec.peer, kind: call}
	label := rec.label
	if rec.service == g.broker {
		parent := g.spans.get(key{rec.trace, rec.parent})
		if parent == nil {
			return
		}
		from, topic, _ := g.climb(rec, parent)
		if from == nil {
			return
		}
		e.from, e.kind = from.service, event
		for _, t := range []name{topic, from.topic} {
			if t != 0 {
				label = t
				break
			}
		}
	}
	g.past.edge(e, label, rec, rec, now)
	g.past.be(rec.peer, external)
	if g.past.kinds[rec.peer] != service {
		g.past.node(rec.peer, rec, now)
	}
}
