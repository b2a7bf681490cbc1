package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/drivers/rabbitmq/internal/wire"

	"github.com/musterdev/muster/bus/away"
)

// How long streams keep messages and groups are remembered, and how much of a stream is
// dropped at a time.
const (
	keptFor     = "7D"
	keptMillis  = int64(7 * 24 * time.Hour / time.Millisecond)
	segmentSize = int64(50 << 20)
)

// queue is one that is to be there.
type queue struct {
	name string
	args amqp.Table
}

// declare has the streams of a first topic segment be there.
func (l *link) declare(ctx context.Context, owner string) error {
	l.mu.Lock()
	declared := l.declared[owner]
	l.mu.Unlock()
	if declared {
		return nil
	}
	var streams []queue
	for lane := range Lanes {
		streams = append(streams, queue{wire.StreamOf(owner, lane), amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeStream, "x-max-age": keptFor, "x-stream-max-segment-size-bytes": segmentSize,
		}})
	}
	if err := l.ensure(ctx, owner, streams); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.declared[owner] = true
	return nil
}

// forget has the streams looked for again.
func (l *link) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.declared)
}

// enlist has the queues of a group be there.
func (l *link) enlist(ctx context.Context, owner, group string) error {
	queues := []queue{{wire.CrowdOf(owner, group), amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-expires": keptMillis}}}
	for lane := range Lanes {
		queues = append(queues, queue{wire.PlaceOf(owner, lane, group), amqp.Table{
			amqp.QueueTypeArg: amqp.QueueTypeQuorum, "x-expires": keptMillis, amqp.SingleActiveConsumerArg: true,
		}})
	}
	return l.ensure(ctx, owner, queues)
}

// lockAgain is how long to wait for another who makes queues.
const lockAgain = 30 * time.Millisecond

// ensure makes the queues that are not there. Servers do not bear it well that two make
// the same stream in one moment (3.10 fails, and takes back what the other made), so
// they are made under a lock: a queue that only one connection may have.
func (l *link) ensure(ctx context.Context, owner string, queues []queue) error {
	l.declaring.Lock()
	defer l.declaring.Unlock()
	missing, err := l.missing(queues)
	if err != nil || len(missing) == 0 {
		return err
	}
	lock := wire.QueuePrefix + owner + ".making"
	for {
		ch, err := l.conn.Channel()
		if err != nil {
			return err
		}
		_, err = ch.QueueDeclare(lock, false, false, true, false, nil)
		if err == nil {
			defer func() {
				_, _ = ch.QueueDelete(lock, false, false, false) // or it ends with the connection
				_ = ch.Close()
			}()
			break
		}
		if e, ok := errors.AsType[*amqp.Error](err); !ok || e.Code != amqp.ResourceLocked {
			return err
		}
		if err := away.Rest(ctx, lockAgain); err != nil {
			return err
		}
	}
	if missing, err = l.missing(missing); err != nil {
		return err
	}
	for _, q := range missing {
		ch, err := l.conn.Channel()
		if err != nil {
			return err
		}
		_, err = ch.QueueDeclare(q.name, true, false, false, false, q.args)
		_ = ch.Close() // of one whose call failed the server closed it
		if err != nil {
			return fmt.Errorf("rabbitmq: make the queue %s: %w", q.name, err)
		}
	}
	return nil
}

// missing returns those that are not there, and an error for one that is there but
// does not answer: it starts, or the nodes that have it are away.
func (l *link) missing(queues []queue) (missing []queue, err error) {
	var ch *amqp.Channel
	defer func() {
		if ch != nil {
			_ = ch.Close() // it was only asked
		}
	}()
	for _, q := range queues {
		if ch == nil {
			if ch, err = l.conn.Channel(); err != nil {
				return nil, err
			}
		}
		_, err := ch.QueueDeclarePassive(q.name, true, false, false, false, nil)
		e, ok := errors.AsType[*amqp.Error](err)
		switch {
		case err == nil:
		case ok && e.Code == amqp.NotFound && strings.Contains(e.Reason, "no queue"):
			missing = append(missing, q)
			ch = nil // the server closes the channel of a call that failed
		default:
			return nil, fmt.Errorf("rabbitmq: the queue %s: %w", q.name, err)
		}
	}
	return missing, nil
}
