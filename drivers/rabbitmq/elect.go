package rabbitmq

import (
	"context"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"
)

// elect takes a message until the place is known.
func (x *session) elect(ctx context.Context, d amqp.Delivery) error {
	e := x.election
	if len(e.Tags) == 0 {
		e.Probe = number()
		m, err := wire.Note(wire.KindProbe, struct{}{})
		if err != nil {
			return err
		}
		m.MessageId = e.Probe
		if err := x.ch.PublishWithContext(ctx, "", d.RoutingKey, false, false, m); err != nil {
			return err
		}
	}
	if !e.Add(d) {
		return nil
	}
	if e.Bad != nil {
		x.member.broker.log.Warn("a note in the queue of a lane cannot be read, and is dropped", "queue", d.RoutingKey, "error", e.Bad)
	}
	p, latest := e.Result()
	begin := amqp.Table{"x-stream-offset": "first"}
	switch {
	case latest:
		begin["x-stream-offset"] = "next"
		x.mark = number()
	case p.Next >= 0:
		begin["x-stream-offset"] = p.Next
		x.last = p.Next - 1
	}
	if p.Next < 0 {
		x.last = -1
	}
	if !latest { // otherwise the end is to be found first
		if err := x.write(ctx, p, true); err != nil {
			return err
		}
	} else {
		x.place = p
	}
	if err := x.ch.Qos(window, 0, false); err != nil {
		return err
	}
	reads, err := x.ch.Consume(wire.StreamOf(x.owner, x.number), "", false, false, false, false, begin)
	if err != nil {
		return err
	}
	x.reads, x.election = reads, nil
	x.member.mu.Lock()
	x.member.held[x.owner]++
	x.member.mu.Unlock()
	x.holds, x.shared = true, time.Now()
	if latest {
		return x.seek(ctx, e)
	}
	return x.close(e)
}

// close answers and acknowledges what came before the place was known.
func (x *session) close(e *wire.Election) error {
	for _, d := range e.Joins {
		if err := x.answer(d, struct{}{}); err != nil {
			return err
		}
	}
	for _, d := range e.Asks {
		if err := x.answer(d, x.standing(time.Now())); err != nil {
			return err
		}
	}
	for _, tag := range e.Tags {
		if err := x.ch.Ack(tag, false); err != nil {
			return err
		}
	}
	return nil
}

// seek publishes a mark into the stream: a group that begins with what is published
// from now on begins behind it. Who joins is answered when the mark has come.
func (x *session) seek(ctx context.Context, e *wire.Election) error {
	x.waiting = e.Joins
	e.Joins = nil
	kept := map[uint64]bool{} // until the place is written they say how the group begins
	for _, d := range x.waiting {
		kept[d.DeliveryTag] = true
	}
	var tags []uint64
	for _, tag := range e.Tags {
		if !kept[tag] {
			tags = append(tags, tag)
		}
	}
	e.Tags = tags
	m := amqp.Publishing{Headers: amqp.Table{wire.HeaderMark: x.mark}, DeliveryMode: amqp.Persistent}
	if err := x.ch.PublishWithContext(ctx, "", wire.StreamOf(x.owner, x.number), true, false, m); err != nil {
		return err
	}
	return x.close(e)
}
