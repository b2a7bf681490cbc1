package kafka

import (
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka/internal/wire"
)

// lane is a partition that a session has. Its fields are guarded by subscriber.mu, as
// those of its session.
type lane struct {
	*session
	number int
	place  wire.Place
	since  time.Time // when it came

	records []*kgo.Record // fetched, from place.Next on
	bytes   int           // of them
	paused  bool          // enough is fetched

	version, written uint64 // of place: how often it changed, and what of it the broker has
	waiting          []waiter
	counted          bool // place.Count has the delivery that is next
	giving           bool // it is being written that the message is given out
	out              *receipt
	unasked          time.Time // since when there is a message that nobody asks for
	gone             bool      // the session does not have it any more
}

// waiter waits until a version of a place is written.
type waiter struct {
	version uint64
	done    chan error
}

// change has the place written, and returns what tells when it is.
func (l *lane) change() <-chan error {
	l.version++
	done := make(chan error, 1)
	l.waiting = append(l.waiting, waiter{l.version, done})
	l.signal(l.dirty)
	return done
}

// wrote tells who waits for a version.
func (l *lane) wrote(version uint64) {
	l.written = version
	for len(l.waiting) > 0 && l.waiting[0].version <= version {
		l.waiting[0].done <- nil
		l.waiting = l.waiting[1:]
	}
	l.wake()
}

// ready reports whether there is a message that is in nobody's hands. Those that the
// group does not want it passes over, unless a member with other topics may just join.
func (l *lane) ready() bool {
	if l.out != nil || l.giving || l.version != l.written {
		return false
	}
	for len(l.records) > 0 && !l.joining && !wire.Wanted(l.place.Topics, wire.TopicOf(l.records[0])) {
		l.pass()
	}
	return len(l.records) > 0 && wire.Wanted(l.place.Topics, wire.TopicOf(l.records[0]))
}

// pass goes on to the next message.
func (l *lane) pass() {
	r := l.records[0]
	l.records[0] = nil
	l.records = l.records[1:]
	l.bytes -= len(r.Value)
	l.place = wire.Place{Next: r.Offset + 1, Topics: l.place.Topics}
	l.counted, l.unasked = false, time.Time{}
	l.passed++
	if l.paused {
		l.signal(l.changed)
	}
}

// anothers reports whether the message is better given to a member that asked for its
// topic. The lane is let go of then, once.
func (l *lane) anothers() bool {
	return l.crowd > 1 && !wire.Wanted(l.Topics, wire.TopicOf(l.records[0])) && l.left[l.number] != l.records[0].Offset+1
}

// give writes that the message is given out.
func (l *lane) give() <-chan error {
	l.place.Next = l.records[0].Offset
	if !l.counted {
		l.place.Count++
		l.counted = true
	}
	l.place.Out = true
	l.giving = true
	return l.change()
}

// given makes the delivery when that is written; err says that it is not.
func (l *lane) given(err error) (bus.Delivery, bool) {
	l.giving = false
	if l.gone {
		return bus.Delivery{}, false
	}
	if err != nil {
		l.place.Out = false
		l.change()
		return bus.Delivery{}, false
	}
	r := l.records[0]
	m, err := wire.Decode(r)
	if err != nil {
		l.log.Error("passed over a message that is no event; who wrote it there?", "topic", r.Topic, "partition", r.Partition, "offset", r.Offset, "error", err)
		l.pass()
		l.change()
		return bus.Delivery{}, false
	}
	l.out = &receipt{lane: l, touched: time.Now()}
	l.unasked = time.Time{}
	return bus.Delivery{
		Msg: m, Group: l.Group, Count: l.place.Count, Seq: uint64(r.Offset) + 1, Stored: r.Timestamp, Receipt: l.out, //nolint:gosec // from 0
	}, true
}

// settle does what a verdict says.
func (r *receipt) settle(v bus.Verdict, now time.Time) (<-chan error, error) {
	l := r.lane
	l.lapse(now)
	if l.gone || l.out != r {
		return nil, bus.ErrLeaseLost
	}
	switch v.Action {
	case bus.InProgress:
		r.touched = now
		return nil, nil
	case bus.Nack:
		l.back()
		if v.After > 0 {
			l.place.Until = now.Add(v.After)
		}
	default:
		l.out = nil
		l.pass()
	}
	return l.change(), nil
}

// back has the message given out anew.
func (l *lane) back() {
	l.out = nil
	l.place.Out, l.counted = false, false
}

// lapse takes a message back whose lease has ended.
func (l *lane) lapse(now time.Time) {
	if l.out != nil && now.Sub(l.out.touched) >= lease {
		l.back()
		l.change()
	}
}

// drop ends the lane here.
func (l *lane) drop(err error) {
	l.gone, l.out = true, nil
	for _, w := range l.waiting {
		w.done <- err
	}
	l.waiting = nil
	delete(l.lanes, l.number)
}
