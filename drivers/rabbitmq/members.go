package rabbitmq

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"

	"github.com/musterdev/muster/bus/away"
)

// tell puts one message into every lane's queue, calls sent when the broker has them
// all, and heard with the answer of each lane.
func (s *subscriber) tell(ctx context.Context, l *link, kind string, body any, sent func(), heard func(answer []byte) error) error {
	ch, err := l.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	answers, err := ch.Consume("amq.rabbitmq.reply-to", "", true, false, false, false, nil)
	if err != nil {
		return err
	}
	returned := ch.NotifyReturn(make(chan amqp.Return, Lanes*len(s.owners)))
	if err := ch.Confirm(false); err != nil {
		return err
	}
	m, err := wire.Note(kind, body)
	if err != nil {
		return err
	}
	m.ReplyTo = "amq.rabbitmq.reply-to"
	if kind == wire.KindAsk { // worth nothing later
		m.Expiration = strconv.FormatInt(answerWait.Milliseconds(), 10)
	}
	if err := s.post(ctx, ch, m); err != nil {
		return err
	}
	if len(returned) > 0 {
		return fmt.Errorf("rabbitmq: the queue %s is not there", (<-returned).RoutingKey)
	}
	sent()
	return s.listen(ctx, answers, heard)
}

// post puts a message into every lane's queue, and returns when the broker has them all.
func (s *subscriber) post(ctx context.Context, ch *amqp.Channel, m amqp.Publishing) error {
	var waiting []*amqp.DeferredConfirmation
	for _, owner := range s.owners {
		for n := range Lanes {
			queue := wire.PlaceOf(owner, n, s.Group)
			m.CorrelationId = queue
			w, err := ch.PublishWithDeferredConfirm("", queue, true, false, m)
			if err != nil {
				return err
			}
			waiting = append(waiting, w)
		}
	}
	for _, w := range waiting {
		ok, err := w.WaitContext(ctx)
		if err == nil && !ok {
			err = errAway
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listen calls heard with the answer of each lane.
func (s *subscriber) listen(ctx context.Context, answers <-chan amqp.Delivery, heard func(answer []byte) error) error {
	came := map[string]bool{}
	patience := time.NewTimer(answerWait)
	defer patience.Stop()
	for len(came) < Lanes*len(s.owners) {
		select {
		case d, ok := <-answers:
			if !ok {
				return errAway
			}
			if came[d.CorrelationId] {
				continue
			}
			came[d.CorrelationId] = true
			if err := heard(d.Body); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-patience.C:
			return errSilent // a member hangs; the broker finds out
		}
	}
	return nil
}

// attend counts the group's members.
func (s *subscriber) attend(ctx context.Context, owner string) {
	for failures := 0; ctx.Err() == nil; failures++ {
		l, err := s.broker.online(ctx)
		if err != nil {
			return
		}
		_ = s.count(ctx, l, owner) // is begun again
		_ = away.Rest(ctx, away.Pause(failures))
	}
}

// countEvery is how often members are counted, and lanes let go for the others.
const countEvery = time.Second

func (s *subscriber) count(ctx context.Context, l *link, owner string) error {
	ch, err := l.conn.Channel()
	if err != nil {
		return err
	}
	defer func() { _ = ch.Close() }()
	queue := wire.CrowdOf(owner, s.Group)
	if _, err := ch.Consume(queue, rand.Text(), true, false, false, false, nil); err != nil {
		return err
	}
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		q, err := ch.QueueDeclarePassive(queue, true, false, false, false, nil)
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.crowd[owner] = q.Consumers
		s.mu.Unlock()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
