package kafka

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/musterdev/muster/bus"
)

// How long a message that nobody asks for is kept from other members: at first, and when
// that did not help again and again. How long a lane is kept at least.
const (
	keepFor  = 700 * time.Millisecond
	keepMost = 5 * time.Second
	keepAny  = 500 * time.Millisecond
)

// surplus returns the lanes that are better with others: those with a message that
// nobody asks for, and what is more than this member's part.
func (x *session) surplus(now time.Time) (all []*lane) {
	if x.crowd < 2 {
		return nil
	}
	keep := min(keepMost, keepFor<<min(x.fruitless, 6))
	var free []*lane
	for _, l := range x.lanes {
		ready := l.ready()
		switch {
		case l.out != nil || l.giving || l.version != l.written:
		case ready && l.anothers():
			all = append(all, l)
		case ready && !l.unasked.IsZero() && now.Sub(l.unasked) > keep:
			all = append(all, l)
		case now.Sub(l.since) > keepAny:
			free = append(free, l)
		}
	}
	slices.SortFunc(free, func(a, b *lane) int {
		return cmp.Or(cmp.Compare(len(a.records), len(b.records)), cmp.Compare(a.number, b.number))
	})
	more := len(x.lanes) - len(all) - (Lanes+x.crowd-1)/x.crowd
	return append(all, free[:min(max(more, 0), len(free))]...)
}

// letGo leaves the surplus to others.
func (x *session) letGo(now time.Time) {
	unasked := false
	for _, l := range x.surplus(now) {
		if l.ready() && l.anothers() {
			x.left[l.number] = l.records[0].Offset + 1
		} else if !l.unasked.IsZero() {
			unasked = true
		}
		x.gave = append(x.gave, l.number)
		l.drop(bus.ErrLeaseLost)
	}
	if unasked {
		x.fruitless++
	}
	x.signal(x.changed)
}

// watch takes back what is out too long, and has the surplus let go of.
func (x *session) watch(ctx context.Context) {
	tick := time.NewTicker(beatEvery / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			x.mu.Lock()
			x.inspect(now)
			x.mu.Unlock()
		}
	}
}

func (x *session) inspect(now time.Time) {
	if now.Sub(x.alive) > silence && len(x.lanes) > 0 {
		x.log.Warn("the broker has not answered for so long that others may have the messages in hand", "since", x.alive)
		x.dropAll(bus.ErrLeaseLost)
		x.signal(x.again)
	}
	for _, l := range x.lanes {
		l.lapse(now)
		switch ready := l.ready(); {
		case !ready || now.Before(l.place.Until):
			l.unasked = time.Time{}
		case l.unasked.IsZero():
			l.unasked = now
		}
		if x.passed > 0 && l.out == nil && !l.giving && l.version == l.written {
			l.change() // what was passed over
		}
	}
	x.passed = 0
	if !x.joining && len(x.surplus(now)) > 0 {
		x.signal(x.again)
	}
}
