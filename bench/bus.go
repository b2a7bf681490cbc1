package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
)

// payload is what every message of the benchmark carries.
var payload = bytes.Repeat([]byte("x"), 256) //nolint:gochecknoglobals // a constant, but for its type

// benchBus measures the bus beside JetStream's own client, on one server.
func benchBus(ctx context.Context, _ string, rounds int) (*result, error) {
	r := &result{
		name: "bench-bus", title: "The bus beside plain JetStream (`make bench-bus`)",
		method: fmt.Sprintf("One process with an embedded server, file store, every write synced; 256 bytes a message; %s a load, loads interleaved. "+
			"A consumer handles by doing nothing and acknowledges; plain JetStream's has one durable with 256 out and so no order per key. CPU is that of "+
			"the process, server included.", roundLength),
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the embedded server was not ready within 10 s")
	}
	plain, err := newPlain(ctx, s.ClientURL())
	if err != nil {
		return nil, err
	}
	defer plain.conn.Close()
	broker, err := nats.Driver.OpenBus(ctx, s.ClientURL(), "bench", nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = broker.Close() }() // nothing is left to be sent
	return r, compareBus(ctx, r, plain, broker, rounds)
}

func compareBus(ctx context.Context, r *result, plain *plainStream, broker bus.Broker, rounds int) error {
	batch := func(size int) func(context.Context, int, int) (int, error) {
		return func(ctx context.Context, worker, _ int) (int, error) {
			return size, publishBatch(ctx, broker, worker, size)
		}
	}
	loads := []struct {
		what    string
		workers int
		do      func(ctx context.Context, worker, i int) (int, error)
	}{
		{"plain JetStream, one publisher", 1, plain.publish},
		{"bus, one publisher, one message at a time", 1, batch(1)},
		{"plain JetStream, 64 publishers", 64, plain.publish},
		{"bus, 64 publishers, one message at a time", 64, batch(1)},
		{"bus, one publisher, batches of 256", 1, batch(256)},
	}
	rates, costs := make([]*figure, len(loads)), make([]*figure, len(loads))
	for i, l := range loads {
		rates[i] = r.add(&figure{what: l.what, unit: "/s", target: "reported"})
		costs[i] = r.add(&figure{what: "CPU of a message: " + l.what, unit: "µs", target: "reported"})
	}
	plainRate := r.add(&figure{what: "plain JetStream, handled and acknowledged", unit: "/s", target: "reported"})
	plainCost := r.add(&figure{what: "CPU of a message: plain JetStream, handled", unit: "µs", target: "reported"})
	busRate := r.add(&figure{what: "bus, handled in order per key and acknowledged", unit: "/s", target: "reported"})
	busCost := r.add(&figure{what: "CPU of a message: bus, handled", unit: "µs", target: "reported"})
	for range rounds {
		for i, l := range loads {
			m, err := repeat(ctx, l.workers, nil, l.do)
			if err != nil {
				return fmt.Errorf("%s: %w", l.what, err)
			}
			rates[i].values, costs[i].values = append(rates[i].values, m.rate()), append(costs[i].values, m.micros())
		}
		for _, c := range []struct {
			rate, cost *figure
			consume    func(context.Context, func()) error
		}{{plainRate, plainCost, plain.consume}, {busRate, busCost, func(ctx context.Context, count func()) error { return consumeBus(ctx, broker, count) }}} {
			m, err := count(ctx, c.consume)
			if err != nil {
				return err
			}
			c.rate.values, c.cost.values = append(c.rate.values, m.rate()), append(c.cost.values, m.micros())
		}
	}
	return nil
}

// publishBatch publishes so many messages by one call.
func publishBatch(ctx context.Context, broker bus.Broker, worker, size int) error {
	msgs := make([]bus.Msg, size)
	for i := range msgs {
		msgs[i] = bus.Msg{
			ID: rand.Text(), Source: "/bench", Topic: "bench.done", Key: fmt.Sprint(worker, "-", i%64), Time: time.Now(),
			ContentType: "application/octet-stream", Data: payload,
		}
	}
	for _, res := range broker.Publish(ctx, msgs) {
		if res.Err != nil {
			return res.Err
		}
	}
	return nil
}

// count lets a new group consume, from the oldest message on, for a while.
func count(ctx context.Context, consume func(ctx context.Context, handled func()) error) (measured, error) {
	ctx, cancel := context.WithTimeout(ctx, roundLength)
	defer cancel()
	var n atomic.Int64
	cpu, began := ownCPU(), time.Now()
	err := consume(ctx, func() { n.Add(1) })
	return measured{done: int(n.Load()), took: time.Since(began), cpu: ownCPU() - cpu}, err
}

func consumeBus(ctx context.Context, broker bus.Broker, handled func()) error {
	c := &bus.Consumer{Broker: broker, Group: newGroup()}
	if err := c.On("bench.done", func(context.Context, bus.Delivery) error {
		handled()
		return nil
	}); err != nil {
		return err
	}
	return c.Run(ctx)
}

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

// newGroup names a group that nobody had before.
func newGroup() string { return "g" + fmt.Sprintf("%x", time.Now().UnixNano()) }
