//go:build unix

package buses

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/musterdev/muster/bench/host"
	"github.com/musterdev/muster/drivers/rabbitmq/rabbittest"
)

const quorumQueue = "bench"

// rabbit is a server with a quorum queue, used as its documentation shows: publishers wait for
// the confirmation of what they sent.
type rabbit struct {
	server   *rabbittest.Server
	conn     *amqp.Connection
	channels []*amqp.Channel // of a publisher each
}

func newRabbit(dir string, publishers int) (*rabbit, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	server, err := rabbittest.Alone(dir)
	if err != nil {
		return nil, err
	}
	r := &rabbit{server: server}
	if err := r.open(publishers); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

func (r *rabbit) open(publishers int) (err error) {
	if r.conn, err = amqp.Dial(r.server.URL()); err != nil {
		return err
	}
	for range publishers {
		ch, err := r.conn.Channel()
		if err == nil {
			err = ch.Confirm(false)
		}
		if err != nil {
			return err
		}
		r.channels = append(r.channels, ch)
	}
	_, err = r.channels[0].QueueDeclare(quorumQueue, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	return err
}

func (r *rabbit) publish(ctx context.Context, worker, _ int) (int, error) {
	sent, err := r.channels[worker].PublishWithDeferredConfirmWithContext(ctx, "", quorumQueue, true, false,
		amqp.Publishing{DeliveryMode: amqp.Persistent, MessageId: rand.Text(), ContentType: "application/octet-stream", Body: payload})
	if err != nil {
		return 0, err
	}
	stored, err := sent.WaitContext(ctx)
	if err == nil && !stored {
		err = fmt.Errorf("the queue %s did not take a message", quorumQueue)
	}
	return 1, err
}

// purge throws away what was published: nobody takes it.
func (r *rabbit) purge() error {
	_, err := r.channels[0].QueuePurge(quorumQueue, false)
	return err
}

// cpu is what the server and all below it have used so far.
func (r *rabbit) cpu() time.Duration { return host.ServerCPU(r.server.PID())() }

func (r *rabbit) close() error {
	var err error
	if r.conn != nil {
		err = r.conn.Close()
	}
	return errors.Join(err, r.server.Close())
}
