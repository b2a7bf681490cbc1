//go:build unix

// Package buses measures the bus beside JetStream's own client, on one server, and beside a quorum queue of RabbitMQ.
package buses

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
)

// payload is what every message of the benchmark carries.
var payload = bytes.Repeat([]byte("x"), 256) //nolint:gochecknoglobals // a constant, but for its type

// crowds are how many publish at once.
var crowds = [...]int{1, 64, 256} //nolint:gochecknoglobals // as above

// Measure measures so many rounds.
func Measure(ctx context.Context, _ string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-bus", Title: "The bus beside plain JetStream and a quorum queue (`make bench-bus`)",
		Method: fmt.Sprintf("One process with an embedded NATS server, file store, every write synced, and one RabbitMQ server of one node with a durable quorum queue; 256 bytes a message; "+
			"%s a load, loads interleaved, every other round backwards. A publisher has one message under way and goes on when it is confirmed: stored and synced. With plain JetStream each asks "+
			"js.Publish, with RabbitMQ each has a channel of one connection, in confirm mode; the bus takes what comes while a batch is under way along with the next. A consumer handles by doing "+
			"nothing and acknowledges; plain JetStream's has one durable with 256 out and so no order per key. CPU is that of the process, the NATS server included, and of RabbitMQ's where it is used.",
			host.RoundLength),
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: filepath.Join(dir, "nats"), SyncAlways: true})
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
	rabbit, err := newRabbit(filepath.Join(dir, "rabbitmq"), slices.Max(crowds[:]))
	if err != nil {
		return nil, err
	}
	defer func() { _ = rabbit.close() }() // what it has is thrown away
	b := bench{plain: plain, broker: broker, rabbit: rabbit}
	b.figures(r)
	for i := range rounds {
		if err := b.round(ctx, i); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// bench has what is measured.
type bench struct {
	plain  *plainStream
	broker bus.Broker
	rabbit *rabbit
	loads  []*load
	shares []share
	reads  []read
}

// load is one that publishes.
type load struct {
	what       string
	workers    int
	server     func() time.Duration // whose CPU counts too; nil: none's
	do         func(ctx context.Context, worker, i int) (int, error)
	after      func() error // nil: nothing
	rate, cost *figures.Figure
	last       float64 // a second
}

// share is a load beside another one of the same round.
type share struct {
	of, beside *load
	figure     *figures.Figure
}

// read is a load that consumes.
type read struct {
	rate, cost *figures.Figure
	consume    func(ctx context.Context, handled func()) error
}

// figures adds all.
func (b *bench) figures(r *figures.Result) {
	add := func(what string, l load) *load {
		l.what = what
		l.rate, l.cost = r.Report(what, "/s"), r.Report("CPU of a message: "+what, "µs")
		b.loads = append(b.loads, &l)
		return &l
	}
	batch := func(size int) func(context.Context, int, int) (int, error) {
		return func(ctx context.Context, worker, _ int) (int, error) {
			return size, publishBatch(ctx, b.broker, worker, size)
		}
	}
	least := map[int]float64{64: 2, 256: 6}
	for _, n := range crowds {
		who := "one publisher"
		if n > 1 {
			who = fmt.Sprint(n, " publishers")
		}
		plain := add("plain JetStream, "+who, load{workers: n, do: b.plain.publish})
		ours := add("bus, "+who+", one message at a time", load{workers: n, do: batch(1)})
		queue := add("RabbitMQ quorum queue, "+who, load{workers: n, do: b.rabbit.publish, server: b.rabbit.cpu, after: b.rabbit.purge})
		beside := figures.Figure{What: "the bus beside plain JetStream, " + who, Unit: "times", Target: "reported"}
		if bound := least[n]; bound > 0 {
			beside.Target, beside.Holds = fmt.Sprintf(">= %g", bound), func(v float64) bool { return v >= bound }
		}
		b.shares = append(b.shares, share{ours, plain, r.Add(&beside)}, share{ours, queue, r.Report("the bus beside a quorum queue, "+who, "times")})
	}
	add("bus, one publisher, batches of 256", load{workers: 1, do: batch(256)})
	b.reads = []read{
		{r.Report("plain JetStream, handled and acknowledged", "/s"), r.Report("CPU of a message: plain JetStream, handled", "µs"), b.plain.consume},
		{r.Report("bus, handled in order per key and acknowledged", "/s"), r.Report("CPU of a message: bus, handled", "µs"), func(ctx context.Context, count func()) error {
			return consumeBus(ctx, b.broker, count)
		}},
	}
}

func (b *bench) round(ctx context.Context, n int) error {
	loads := slices.Clone(b.loads)
	if n%2 == 1 { // none always comes when the store is emptiest
		slices.Reverse(loads)
	}
	for _, l := range loads {
		m, err := host.Repeat(ctx, l.workers, l.server, l.do)
		if err == nil && l.after != nil {
			err = l.after()
		}
		if err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
		l.last = m.Rate()
		l.rate.Put(l.last)
		l.cost.Put(m.Micros())
	}
	for _, s := range b.shares {
		s.figure.Put(s.of.last / s.beside.last)
	}
	for _, c := range b.reads {
		m, err := count(ctx, c.consume)
		if err != nil {
			return err
		}
		c.rate.Put(m.Rate())
		c.cost.Put(m.Micros())
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
func count(ctx context.Context, consume func(ctx context.Context, handled func()) error) (host.Measured, error) {
	ctx, cancel := context.WithTimeout(ctx, host.RoundLength)
	defer cancel()
	var n atomic.Int64
	cpu, began := host.OwnCPU(), time.Now()
	err := consume(ctx, func() { n.Add(1) })
	return host.Measured{Done: int(n.Load()), Took: time.Since(began), CPU: host.OwnCPU() - cpu}, err
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

// newGroup names a group that nobody had before.
func newGroup() string { return "g" + fmt.Sprintf("%x", time.Now().UnixNano()) }
