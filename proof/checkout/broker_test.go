//go:build !race

package checkout_test

import (
	"context"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/drivers/nats/natstest"
)

// broker is a world's own.
type broker interface {
	URL() string
	// Expire has what a group's dead members had received and not settled come again.
	Expire(ctx context.Context, group string) error
}

// onNATS gives a delivery of a dead member to the next one when its ack_wait has passed.
// It is made to pass.
type onNATS struct {
	*natstest.Server
	js jetstream.JetStream
}

func startNATS(t *testing.T) broker {
	t.Helper()
	s := natstest.Start(t, nil)
	conn, err := natsgo.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return onNATS{s, js}
}

// Expire shortens the ack_wait of consumers that have something out, takes it and gives
// it back. The group's next member sets their ack_wait again when it joins.
func (b onNATS) Expire(ctx context.Context, group string) error {
	streams := b.js.StreamNames(ctx)
	for name := range streams.Name() {
		stream, err := b.js.Stream(ctx, name)
		if err != nil {
			return err
		}
		for done := false; !done; {
			if done, err = expire(ctx, stream, group); err != nil {
				return err
			}
		}
	}
	return streams.Err()
}

// expire goes once over a stream's consumers. What is out and does not come back was
// acknowledged, by the dead one's last words: then it looks once more.
func expire(ctx context.Context, stream jetstream.Stream, group string) (done bool, err error) {
	done = true
	consumers := stream.ListConsumers(ctx)
	for info := range consumers.Info() {
		if info.Config.Metadata["muster-group"] != group || info.NumAckPending == 0 {
			continue
		}
		info.Config.AckWait = time.Millisecond
		c, err := stream.UpdateConsumer(ctx, info.Config)
		if err != nil {
			return false, err
		}
		again, err := c.Fetch(1, jetstream.FetchMaxWait(500*time.Millisecond))
		if err != nil {
			return false, err
		}
		came := false
		for m := range again.Messages() {
			came = true
			if err := m.Nak(); err != nil {
				return false, err
			}
		}
		done = done && came
	}
	return done, consumers.Err()
}

// onRabbitMQ is the URL of a virtual host. RabbitMQ gives a delivery of a dead member to
// the next one as soon as the connection is closed.
type onRabbitMQ string

func (b onRabbitMQ) URL() string { return string(b) }

func (onRabbitMQ) Expire(context.Context, string) error { return nil }
