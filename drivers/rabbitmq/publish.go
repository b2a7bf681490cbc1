package rabbitmq

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/away"
	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"
	"github.com/musterdev/muster/problem"
)

// The most that one publisher sends before it waits for the broker's word, and how many
// publishers a connection has at a time.
const (
	windowMessages = 256
	windowBytes    = 4 << 20
	publishers     = 16
)

// Publish stores messages one by one; each has a result of its own. What is refused
// takes those behind it of its key and first topic segment with it ([bus.ErrBehind]).
//
// While the broker is away Publish waits until ctx ends; whether the last try took
// effect is then not known, and publishing again may store a message twice. So may a
// connection that is lost between a message and its confirmation.
func (b *broker) Publish(ctx context.Context, msgs []bus.Msg) []bus.Result {
	results := make([]bus.Result, len(msgs))
	type lineKey struct{ owner, key string }
	refused := map[lineKey]bool{}
	var open []int
	for i, m := range msgs {
		line := lineKey{wire.OwnerOf(m.Topic), m.Key}
		switch err := m.Validate(); {
		case err != nil:
			results[i].Err = err
			refused[line] = true
		case m.Key != "" && refused[line]:
			results[i].Err = bus.ErrBehind
		default:
			open = append(open, i)
		}
	}
	for len(open) > 0 {
		n := fitting(msgs, open)
		left := open[:n:n]
		err := b.insist(ctx, func(ctx context.Context, l *link) error {
			var err error
			left, err = l.store(ctx, msgs, left)
			return err
		})
		if err != nil {
			for _, i := range append(left, open[n:]...) {
				results[i].Err = named(err)
			}
			return results
		}
		open = open[n:]
	}
	return results
}

// fitting returns how many messages go into one window, at least 1.
func fitting(msgs []bus.Msg, open []int) int {
	size := 0
	for n, i := range open {
		size += len(msgs[i].Data)
		if n == windowMessages || n > 0 && size > windowBytes {
			return n
		}
	}
	return len(open)
}

// named says what an error of storing messages means.
func named(err error) error {
	if e, ok := err.(*away.GaveUpError); ok { //nolint:errorlint // insist returns it as it is
		return problem.Wrap(e, problem.Unavailable, "the broker is not available")
	}
	return err
}

// publisher is a channel that one call at a time publishes on.
type publisher struct {
	ch       *amqp.Channel
	returned chan amqp.Return
}

// publisher returns one that nobody uses; release gives it back.
func (l *link) publisher(ctx context.Context) (*publisher, error) {
	select {
	case l.room <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.idle); n > 0 {
		p := l.idle[n-1]
		l.idle = l.idle[:n-1]
		return p, nil
	}
	p, err := l.open()
	if err != nil {
		<-l.room
	}
	return p, err
}

func (l *link) open() (*publisher, error) {
	ch, err := l.conn.Channel()
	if err != nil {
		return nil, err
	}
	p := &publisher{ch: ch, returned: ch.NotifyReturn(make(chan amqp.Return, windowMessages))}
	return p, ch.Confirm(false)
}

// release gives a publisher back; one that may have confirmations under way is dropped.
func (l *link) release(p *publisher, clean bool) {
	if clean && !p.ch.IsClosed() {
		l.mu.Lock()
		l.idle = append(l.idle, p)
		l.mu.Unlock()
	} else {
		_ = p.ch.Close() // it is not used again
	}
	<-l.room
}

// store sends messages once and returns those that the broker did not confirm, in
// their order. Behind one that it did not confirm, all of its lane count as not stored:
// they are to come after it again.
func (l *link) store(ctx context.Context, msgs []bus.Msg, indexes []int) (left []int, err error) {
	if err := l.takes(ctx); err != nil {
		return indexes, err
	}
	for _, i := range indexes {
		if err := l.declare(ctx, wire.OwnerOf(msgs[i].Topic)); err != nil {
			return indexes, err
		}
	}
	p, err := l.publisher(ctx)
	if err != nil {
		return indexes, err
	}
	clean := false
	defer func() { l.release(p, clean) }()
	now := time.Now()
	waiting := make([]*amqp.DeferredConfirmation, len(indexes))
	streams := make([]string, len(indexes))
	for n, i := range indexes {
		m := msgs[i]
		streams[n] = wire.StreamOf(wire.OwnerOf(m.Topic), bus.Lane(m, Lanes))
		// mandatory: what no stream takes comes back, before its confirmation.
		if waiting[n], err = p.ch.PublishWithDeferredConfirm("", streams[n], true, false, wire.Encode(m, now)); err != nil {
			return indexes, err
		}
	}
	failed := map[string]bool{}
	acked := make([]bool, len(indexes))
	for n, w := range waiting {
		if acked[n], err = w.WaitContext(ctx); err != nil {
			return remaining(indexes, streams, acked, failed), err
		}
	}
	for len(p.returned) > 0 {
		r := <-p.returned
		failed[r.RoutingKey] = true
		l.forget()
	}
	left = remaining(indexes, streams, acked, failed)
	clean = true
	if len(left) > 0 {
		return left, fmt.Errorf("rabbitmq: %d of %d messages were not taken by the broker", len(left), len(indexes))
	}
	return nil, nil
}

// remaining returns what is to be sent again.
func remaining(indexes []int, streams []string, acked []bool, failed map[string]bool) (left []int) {
	for n, i := range indexes {
		if !acked[n] {
			failed[streams[n]] = true
		}
		if failed[streams[n]] {
			left = append(left, i)
		}
	}
	return left
}

// takes waits while the server takes no messages, for it is short of memory or disk.
func (l *link) takes(ctx context.Context) error {
	l.mu.Lock()
	stopped := l.stopped
	l.mu.Unlock()
	select {
	case <-stopped:
		return nil
	default:
	}
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the server takes no messages, for it is short of memory or disk: %w", ctx.Err())
	}
}
