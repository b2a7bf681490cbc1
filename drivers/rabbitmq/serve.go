package rabbitmq

import (
	"context"
	"errors"
	"math/rand/v2"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"

	"github.com/musterdev/muster/bus/away"
)

// serve takes part in one lane until ctx ends.
func (s *subscriber) serve(ctx context.Context, owner string, number int) {
	for failures := 0; ctx.Err() == nil; {
		l, err := s.broker.online(ctx)
		if err != nil {
			return
		}
		x := &session{
			member: s, link: l, owner: owner, number: number, commands: make(chan command), given: make(chan struct{}, 1), over: make(chan struct{}),
			election: &wire.Election{},
		}
		err = x.run(ctx)
		if x.holds {
			failures = 0
		}
		x.end()
		switch {
		case ctx.Err() != nil:
			return
		case errors.Is(err, errLetGo):
			_ = away.Rest(ctx, keep+rand.N(keep)) // for others; ctx is looked at above
			continue
		}
		s.broker.log.Debug("a lane's session ended; beginning another", "lane", wire.StreamOf(owner, number), "group", s.Group, "error", err)
		if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.NotFound { // somebody deleted it
			l.forget()
			err = l.declare(ctx, owner)
			if err == nil {
				err = l.enlist(ctx, owner, s.Group)
			}
			if err == nil {
				err = s.begin(l, owner, number)
			}
			if err != nil {
				s.broker.log.Warn("a lane's queues are not there, and could not be made", "lane", wire.StreamOf(owner, number), "group", s.Group, "error", err)
			}
		}
		_ = away.Rest(ctx, away.Pause(failures))
		failures++
	}
}

// begin puts a new group's beginning, the oldest message, into the queue of a lane: what
// was lost begins anew.
func (s *subscriber) begin(l *link, owner string, number int) error {
	ch, err := l.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	m, err := wire.Note(wire.KindJoin, wire.Join{Topics: s.Topics})
	if err != nil {
		return err
	}
	return ch.PublishWithContext(context.Background(), "", wire.PlaceOf(owner, number, s.Group), false, false, m)
}
