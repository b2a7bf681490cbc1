package rabbitmq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"
)

const (
	// window is how many messages of a lane are read ahead.
	window = 32
	// keep is how long a message may wait for Receive, before its lane is let go where
	// there are other members.
	keep = 300 * time.Millisecond
	// handOns is how often a message is handed on by members that did not ask for it,
	// before one of them gets it all the same.
	handOns = 4
	// writeAgain is after how many messages that nobody wants the place is written.
	writeAgain = 1000
)

// errLetGo ends a session whose lane is for others now.
var errLetGo = errors.New("the lane was let go")

// session is a lane's time with one channel: from waiting to be its queue's active
// consumer until the lane is let go or the connection lost. One goroutine runs it.
type session struct {
	member   *subscriber
	link     *link
	owner    string
	number   int
	ch       *amqp.Channel
	commands chan command
	given    chan struct{} // of 1: Receive took the head
	over     chan struct{} // closed when it ends

	election *wire.Election // until the place is known
	place    wire.Place
	holds    bool            // the place is known: messages may be read
	echoes   []echo          // our notes in the queue, not acknowledged: the newest is kept
	waiting  []amqp.Delivery // joins, for the mark
	mark     string          // what finds the end of the stream; "" when it is not wanted

	reads   <-chan amqp.Delivery // nil until there is a place
	buffer  []*event             // read and wanted, in order
	skipped int                  // passed over since the place was written
	last    int64                // the highest offset read, or one less than the first wanted
	head    *receipt             // offered, or out; nil: none
	offered time.Time            // when the head was
	shared  time.Time            // when it was last looked whether others lack lanes
}

type echo struct {
	tag     uint64
	version int64
}

// event is a message of the lane.
type event struct {
	bus.Msg
	tag    uint64
	offset int64
	stored time.Time
}

// command is a verdict for the head.
type command struct {
	receipt *receipt
	verdict bus.Verdict
	done    chan error
}

// end gives everything back.
func (x *session) end() {
	_ = x.out() // what Receive took just now was delivered too
	s := x.member
	s.mu.Lock()
	if x.holds {
		s.held[x.owner]--
	}
	if x.head != nil {
		s.ready = slices.DeleteFunc(s.ready, func(r *receipt) bool { return r == x.head })
	}
	s.mu.Unlock()
	close(x.over)
	if x.ch != nil {
		_ = x.ch.Close() // the broker does what is left when the connection is lost
	}
}

// poke says that Receive took the head.
func (x *session) poke() {
	select {
	case x.given <- struct{}{}:
	default:
	}
}

func (x *session) run(ctx context.Context) error {
	queue := wire.PlaceOf(x.owner, x.number, x.member.Group)
	ch, err := x.link.conn.Channel()
	if err != nil {
		return err
	}
	x.ch = ch
	if err := ch.Confirm(false); err != nil {
		return err
	}
	ended := ch.NotifyClose(make(chan *amqp.Error, 1))
	notes, err := ch.Consume(queue, "", false, false, false, false, nil)
	if err != nil {
		return err
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		if err := x.step(ctx, notes, ended, timer.C); err != nil {
			return err
		}
		if x.holds {
			if err := x.advance(ctx); err != nil {
				return err
			}
		}
		timer.Reset(x.next(time.Now()))
	}
}

// step waits for one thing that happens, and takes it in.
func (x *session) step(ctx context.Context, notes <-chan amqp.Delivery, ended <-chan *amqp.Error, due <-chan time.Time) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case e := <-ended:
		return reason(e, errAway)
	case d, ok := <-notes:
		if ok {
			return x.note(ctx, d)
		}
	case d, ok := <-x.reads:
		if ok {
			return x.read(ctx, d)
		}
	case c := <-x.commands:
		c.done <- x.settle(ctx, c)
		return nil
	case <-x.given:
		return x.out()
	case <-due:
		return nil
	}
	// The queue or the stream is gone, or the channel with both.
	select {
	case e := <-ended:
		return reason(e, errAway)
	default:
		return &amqp.Error{Code: amqp.NotFound, Reason: "the server ended a consumer of " + wire.StreamOf(x.owner, x.number)}
	}
}

// reason returns why a channel ended, as far as it is known.
func reason(e *amqp.Error, otherwise error) error {
	if e == nil {
		return otherwise
	}
	return e
}

// note takes a message of the place's queue.
func (x *session) note(ctx context.Context, d amqp.Delivery) error {
	if x.election != nil {
		return x.elect(ctx, d)
	}
	switch d.Type {
	case wire.KindPlace:
		var p wire.Place
		if err := json.Unmarshal(d.Body, &p); err != nil {
			return fmt.Errorf("rabbitmq: the place in %s cannot be read: %w", d.RoutingKey, err)
		}
		// Once a newer one is in the queue, those before it are not needed.
		for _, e := range x.echoes {
			if err := x.ch.Ack(e.tag, false); err != nil {
				return err
			}
		}
		x.echoes = append(x.echoes[:0], echo{d.DeliveryTag, p.Version})
		return nil
	case wire.KindJoin:
		var j wire.Join
		if err := json.Unmarshal(d.Body, &j); err != nil {
			x.member.broker.log.Warn("a member joined in a way that cannot be read", "group", x.member.Group, "error", err)
		} else if p, more := x.place.Joined(j.Topics); more {
			if err := x.write(ctx, p, true); err != nil {
				return err
			}
		}
		if x.mark != "" {
			x.waiting = append(x.waiting, d)
			return nil
		}
		return x.reply(d, struct{}{})
	case wire.KindAsk:
		return x.reply(d, x.standing(time.Now()))
	default: // a probe of one that died
		return x.ch.Ack(d.DeliveryTag, false)
	}
}

// reply answers a note and acknowledges it.
func (x *session) reply(d amqp.Delivery, body any) error {
	if err := x.answer(d, body); err != nil {
		return err
	}
	return x.ch.Ack(d.DeliveryTag, false)
}

func (x *session) answer(d amqp.Delivery, body any) error {
	if d.ReplyTo == "" {
		return nil
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return x.ch.PublishWithContext(context.Background(), "", d.ReplyTo, false, false, amqp.Publishing{CorrelationId: d.CorrelationId, Body: data})
}

// write puts a place into the queue; with wait it returns when the broker has it.
func (x *session) write(ctx context.Context, p wire.Place, wait bool) error {
	m, err := wire.Note(wire.KindPlace, p)
	if err != nil {
		return err
	}
	w, err := x.ch.PublishWithDeferredConfirm("", wire.PlaceOf(x.owner, x.number, x.member.Group), true, false, m)
	if err != nil {
		return err
	}
	x.place, x.skipped = p, 0
	if !wait {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, lease)
	defer cancel()
	ok, err := w.WaitContext(bounded)
	if err == nil && !ok {
		err = errAway
	}
	return err
}

// number returns a name for a probe or a mark.
func number() string { return strconv.FormatUint(rand.Uint64(), 36) }
