//go:build unix

package buses

import (
	"context"
	"crypto/rand"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// plainStream is a stream used as JetStream's documentation shows.
type plainStream struct {
	conn *natsgo.Conn
	js   jetstream.JetStream
}

func newPlain(ctx context.Context, url string) (*plainStream, error) {
	conn, err := natsgo.Connect(url)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(conn)
	if err == nil {
		_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "plain", Subjects: []string{"plain.>"}})
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &plainStream{conn, js}, nil
}

func (p *plainStream) publish(ctx context.Context, _, _ int) (int, error) {
	_, err := p.js.Publish(ctx, "plain.done", payload, jetstream.WithMsgID(rand.Text()))
	return 1, err
}

func (p *plainStream) consume(ctx context.Context, handled func()) error {
	c, err := p.js.CreateConsumer(ctx, "plain", jetstream.ConsumerConfig{Durable: newGroup(), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: 256})
	if err != nil {
		return err
	}
	consuming, err := c.Consume(func(m jetstream.Msg) {
		if m.Ack() == nil {
			handled()
		}
	})
	if err != nil {
		return err
	}
	<-ctx.Done()
	consuming.Stop()
	return nil
}
