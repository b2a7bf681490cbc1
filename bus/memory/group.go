package memory

import (
	"container/heap"
	"slices"
	"time"

	"github.com/musterdev/muster/bus"
)

// group is what is still to be handled, in lanes: of each lane the first message is
// out, or can be.
type group struct {
	name   string
	topics []string
	lanes  map[string]*lane // that are not empty
	heads  lanes            // the same, a heap by when their first can be delivered
}

// entry is a message that a group has not settled.
type entry struct {
	stored
	count int         // deliveries
	owner *subscriber // who has it; nil: nobody
}

type lane struct {
	name    string
	entries []*entry
	at      time.Time // when the first can be delivered: the end of its lease while it is out
	index   int       // in the heap
}

// offer takes a message that was stored, if the group wants it.
func (g *group) offer(e stored) {
	if !slices.ContainsFunc(g.topics, func(p string) bool { return bus.Matches(p, e.Topic) }) {
		return
	}
	name := laneOf(e.Msg)
	if e.Key == "" {
		name += e.Source + " " + e.ID // any order
	}
	l := g.lanes[name]
	if l == nil {
		l = &lane{name: name, at: e.at}
		g.lanes[name] = l
		l.entries = []*entry{{stored: e}}
		heap.Push(&g.heads, l)
		return
	}
	l.entries = append(l.entries, &entry{stored: e})
}

// deliver gives a member some messages.
func (g *group) deliver(to *subscriber, most int) []bus.Delivery {
	var out []bus.Delivery
	now := time.Now()
	for len(out) < most && len(g.heads) > 0 && !g.heads[0].at.After(now) {
		l := g.heads[0]
		e := l.entries[0]
		e.count++
		e.owner = to
		g.move(l, now.Add(Lease))
		out = append(out, bus.Delivery{
			Msg: copied(e.Msg), Group: g.name, Count: e.count, Seq: e.seq, Stored: e.at, Receipt: receipt{l.name, e, e.count},
		})
	}
	return out
}

// receipt finds what was delivered, and tells whether it was delivered again since.
type receipt struct {
	lane  string
	entry *entry
	count int
}

// settle applies a verdict.
func (g *group) settle(v bus.Verdict) error {
	r, ok := v.Delivery.Receipt.(receipt)
	if !ok {
		return bus.ErrInvalid.WithField("receipt", "it is of another broker")
	}
	l := g.lanes[r.lane]
	out := l != nil && l.entries[0] == r.entry
	current := out && r.entry.owner != nil && r.entry.count == r.count
	switch v.Action {
	case bus.Ack, bus.Term:
		if out { // whoever has it now need not have handled it
			g.next(l)
		}
		return nil
	case bus.Nack:
		if current {
			r.entry.owner = nil
			g.move(l, time.Now().Add(max(0, v.After)))
			return nil
		}
	case bus.InProgress:
		if current {
			g.move(l, time.Now().Add(Lease))
			return nil
		}
	}
	return bus.ErrLeaseLost
}

// next drops the first message of a lane.
func (g *group) next(l *lane) {
	l.entries = l.entries[1:]
	if len(l.entries) == 0 {
		heap.Remove(&g.heads, l.index)
		delete(g.lanes, l.name)
		return
	}
	g.move(l, l.entries[0].at)
}

func (g *group) move(l *lane, at time.Time) {
	l.at = at
	heap.Fix(&g.heads, l.index)
}

// forget makes what is out, and which speaks of, be delivered again at once.
func (g *group) forget(which func(*entry) bool) {
	for _, l := range g.lanes {
		if e := l.entries[0]; e.owner != nil && which(e) {
			e.owner = nil
			g.move(l, time.Now())
		}
	}
}

// lag returns how far the group is behind, and how much of that is out.
func (g *group) lag() (lag bus.Lag, out int64) {
	now := time.Now()
	for _, l := range g.lanes {
		lag.Messages += int64(len(l.entries))
		lag.Oldest = max(lag.Oldest, now.Sub(l.entries[0].stored.at))
		if l.entries[0].owner != nil && l.at.After(now) {
			out++
		}
	}
	return lag, out
}

// lanes is a heap.
type lanes []*lane

func (h *lanes) Len() int { return len(*h) }

func (h *lanes) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.entries[0].seq < b.entries[0].seq
}

func (h *lanes) Swap(i, j int) {
	all := *h
	all[i], all[j] = all[j], all[i]
	all[i].index, all[j].index = i, j
}

// Push appends a lane.
func (h *lanes) Push(x any) {
	l, _ := x.(*lane)
	l.index = len(*h)
	*h = append(*h, l)
}

// Pop removes the last lane.
func (h *lanes) Pop() any {
	last := len(*h) - 1
	l := (*h)[last]
	*h = (*h)[:last]
	return l
}
