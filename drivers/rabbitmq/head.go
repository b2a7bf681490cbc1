package rabbitmq

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"
)

// read takes a message of the stream.
func (x *session) read(ctx context.Context, d amqp.Delivery) error {
	offset := wire.OffsetOf(d)
	if mark, ok := d.Headers[wire.HeaderMark].(string); ok || x.mark != "" {
		if mark != "" && mark == x.mark {
			x.mark = ""
			p := x.place
			p.Next = offset + 1
			if err := x.write(ctx, p, true); err != nil {
				return err
			}
			for _, d := range x.waiting {
				if err := x.reply(d, struct{}{}); err != nil {
					return err
				}
			}
			x.waiting = nil
		}
		x.last = max(x.last, offset)
		return x.ch.Ack(d.DeliveryTag, false)
	}
	if offset <= x.last { // the server begins with a whole chunk
		return x.ch.Ack(d.DeliveryTag, false)
	}
	x.last = offset
	m, stored, err := wire.Decode(d)
	if err != nil {
		x.member.broker.log.Error("dropped a message of the stream that is no event; who wrote it there?", "stream", wire.StreamOf(x.owner, x.number), "offset", offset, "error", err)
		return x.ch.Ack(d.DeliveryTag, false)
	}
	x.buffer = append(x.buffer, &event{m, d.DeliveryTag, offset, stored})
	return nil
}

// advance offers the next message, and lets the lane go when others are to have it.
func (x *session) advance(ctx context.Context) error {
	now := time.Now()
	if x.head != nil {
		return x.patience(ctx, now)
	}
	for len(x.buffer) > 0 && !wire.Wanted(x.place.Topics, x.buffer[0].Topic) {
		tag := x.buffer[0].tag
		x.buffer = x.buffer[1:]
		x.skipped++
		if err := x.ch.Ack(tag, false); err != nil { // makes room in the window
			return err
		}
	}
	if len(x.buffer) == 0 {
		if x.skipped >= writeAgain {
			p := x.place
			p.Version++
			p.Next = x.last + 1
			if err := x.write(ctx, p, true); err != nil {
				return err
			}
		}
		return x.share(now)
	}
	if now.UnixMilli() < x.place.After {
		return x.share(now)
	}
	e := x.buffer[0]
	s := x.member
	if !wire.Wanted(s.Topics, e.Topic) && x.place.Passed < handOns {
		if err := x.write(ctx, x.place.HandedOn(), true); err != nil {
			return err
		}
		return errLetGo
	}
	x.head = &receipt{session: x, offset: e.offset}
	x.head.Delivery = bus.Delivery{Msg: e.Msg, Group: s.Group, Count: x.place.Count + 1, Seq: uint64(e.offset), Stored: e.stored, Receipt: x.head} //nolint:gosec // offsets are not negative
	x.offered = now
	s.mu.Lock()
	s.ready = append(s.ready, x.head)
	s.mu.Unlock()
	s.wake()
	return nil
}

// touched returns when the head's lease began; zero: it was not given out.
func (x *session) touched() time.Time {
	x.member.mu.Lock()
	defer x.member.mu.Unlock()
	return x.head.touched
}

// patience ends a lease that was not renewed, and lets a lane go whose message nobody
// receives here.
func (x *session) patience(ctx context.Context, now time.Time) error {
	since := x.touched()
	switch {
	case since.IsZero():
		if now.Sub(x.offered) >= keep && x.crowded() && x.withdraw() {
			return errLetGo
		}
		return x.share(now)
	case now.Sub(since) >= lease:
		x.head = nil
		if err := x.write(ctx, x.place.Refused(time.Time{}), true); err != nil {
			return err
		}
		return errLetGo
	}
	return nil
}

// withdraw takes the head back from Receive, if it was not taken meanwhile.
func (x *session) withdraw() bool {
	s := x.member
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range s.ready {
		if r == x.head {
			s.ready = append(s.ready[:i:i], s.ready[i+1:]...)
			x.head = nil
			return true
		}
	}
	return false
}

// crowded reports whether the group has other members.
func (x *session) crowded() bool {
	x.member.mu.Lock()
	defer x.member.mu.Unlock()
	return x.member.crowd[x.owner] > 1
}

// share lets the lane go when this member has more than its part.
func (x *session) share(now time.Time) error {
	if now.Sub(x.shared) < countEvery {
		return nil
	}
	x.shared = now
	s := x.member
	s.mu.Lock()
	n := max(s.crowd[x.owner], 1)
	more := s.held[x.owner] > (Lanes+n-1)/n
	if more { // the next to look counts without this one
		s.held[x.owner]--
		x.holds = false
	}
	s.mu.Unlock()
	if !more {
		return nil
	}
	if x.head != nil && !x.withdraw() { // taken just now: keep it
		s.mu.Lock()
		s.held[x.owner]++
		x.holds = true
		s.mu.Unlock()
		return nil
	}
	return errLetGo
}

// next returns when advance is to be called again although nothing came.
func (x *session) next(now time.Time) time.Duration {
	if !x.holds {
		return time.Hour
	}
	at := x.shared.Add(countEvery)
	if x.head != nil {
		if since := x.touched(); !since.IsZero() {
			at = since.Add(lease)
		} else if keepUntil := x.offered.Add(keep); keepUntil.Before(at) && now.Before(keepUntil) {
			at = keepUntil
		}
	} else if len(x.buffer) > 0 && x.place.After > 0 {
		if due := time.UnixMilli(x.place.After + 1); due.Before(at) {
			at = due
		}
	}
	return max(at.Sub(now), time.Millisecond)
}

// out notes that the head is with a handler: when this process ends, it was delivered.
// Nobody waits for that to be written.
func (x *session) out() error {
	if x.head == nil || !x.holds || x.place.Out || x.touched().IsZero() {
		return nil
	}
	return x.write(context.Background(), x.place.Given(), false)
}

// settle does what a verdict says. The lane is not let go before it is confirmed.
func (x *session) settle(ctx context.Context, c command) error {
	if x.head != c.receipt {
		return bus.ErrLeaseLost
	}
	now := time.Now()
	switch c.verdict.Action {
	case bus.InProgress:
		x.member.mu.Lock()
		x.head.touched = now
		x.member.mu.Unlock()
		return nil
	case bus.Nack:
		x.head = nil
		var after time.Time
		if c.verdict.After > 0 {
			after = now.Add(c.verdict.After)
		}
		return x.confirmed(x.write(ctx, x.place.Refused(after), true))
	default:
		x.head = nil
		tag := x.buffer[0].tag
		x.buffer = x.buffer[1:]
		if err := x.write(ctx, x.place.Settled(c.receipt.offset), true); err != nil {
			return x.confirmed(err)
		}
		return x.confirmed(x.ch.Ack(tag, false))
	}
}

// confirmed ends the session when a verdict's place could not be written: what the
// broker has is what holds then.
func (x *session) confirmed(err error) error {
	if err == nil {
		return nil
	}
	_ = x.ch.Close() // run sees it
	return fmt.Errorf("rabbitmq: the verdict was not confirmed: %w", err)
}

// standing says how many messages wait in the lane. What is not read yet is known by
// its number alone, with other groups' topics in it.
func (x *session) standing(now time.Time) wire.Standing {
	var st wire.Standing
	for _, e := range x.buffer {
		if !wire.Wanted(x.place.Topics, e.Topic) {
			continue
		}
		if st.Messages++; st.Messages == 1 {
			st.Oldest = max(now.Sub(e.stored).Milliseconds(), 0)
		}
	}
	if len(x.buffer) >= window {
		st.Messages += x.beyond()
	}
	return st
}

// beyond returns how many messages the stream has behind those that were read, about:
// the server counts every 5 s.
func (x *session) beyond() int64 {
	ch, err := x.link.conn.Channel()
	if err != nil {
		return 0
	}
	defer func() { _ = ch.Close() }()
	name := wire.StreamOf(x.owner, x.number)
	q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
	if err != nil || ch.Qos(1, 0, false) != nil {
		return 0
	}
	first, err := ch.Consume(name, "", false, false, false, false, amqp.Table{"x-stream-offset": "first"})
	if err != nil {
		return 0
	}
	t := time.NewTimer(answerWait / 5)
	defer t.Stop()
	select {
	case d, ok := <-first:
		if !ok {
			return 0
		}
		return max(wire.OffsetOf(d)+int64(q.Messages)-1-x.last, 0)
	case <-t.C:
		return 0
	}
}
