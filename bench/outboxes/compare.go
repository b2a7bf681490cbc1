package outboxes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// What is paced, and for how long.
const (
	paced    = 1000 // events a second
	pacedFor = 8 * time.Second
)

// Bench is how the ways are measured, and where that is told.
type Bench struct {
	Rounds   int
	Messages int // whose order is seen to
	Add      func(what, unit, target string, holds func(float64) bool) (put func(float64))
	Load     func(ctx context.Context, server, workers int, do func(ctx context.Context, worker, i int) (int, error)) (rate, micros float64, err error)
}

// Method says how it is done, with loads of such a length.
func Method(load time.Duration, messages int) string {
	return fmt.Sprintf("One process with an embedded NATS server, every write synced, and one PostgreSQL server with fsync=on; a database for each way; %d connections, %s a load, loads interleaved. "+
		"A transaction inserts a row, and appends an event of about 256 bytes; with \"row\" it inserts a second row of that size instead. What it comes to is published between the loads. CPU is "+
		"that of the process and of the database server. Paced: %d transactions a second for %s, from before the commit until a consumer in this process has the event, with everything on this "+
		"machine. Order: %d events of 64 keys, 20 in a transaction, numbered by a row of the key.", writers, load, paced, pacedFor, messages)
}

// Run starts the servers, and compares.
func Run(ctx context.Context, b Bench) error {
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, JetStream: true, StoreDir: dir, SyncAlways: true})
	if err != nil {
		return err
	}
	s.Start()
	defer s.WaitForShutdown()
	defer s.Shutdown()
	if !s.ReadyForConnections(10 * time.Second) {
		return errors.New("the embedded server was not ready within 10 s")
	}
	broker, err := nats.Driver.OpenBus(ctx, s.ClientURL(), "bench", nil)
	if err != nil {
		return err
	}
	defer func() { _ = broker.Close() }() // nothing is left to be sent
	pg, err := pgtest.Durable()
	if err != nil {
		return err
	}
	defer pg.Stop()
	ways, closeAll, err := Open(ctx, pg.URL, broker)
	if closeAll != nil {
		defer closeAll()
	}
	if err != nil {
		return err
	}
	if err := compare(ctx, b, pg.PID(), ways); err != nil {
		return err
	}
	return told(ctx, b, ways)
}

// compare measures what an outbox costs writers; the first way is without.
func compare(ctx context.Context, b Bench, server int, ways []*Way) error {
	rates, costs, shares := map[string]func(float64){}, map[string]func(float64){}, map[string]func(float64){}
	for _, w := range ways {
		rates[w.Name] = b.Add("transactions, outbox: "+w.Name, "/s", "reported", nil)
		costs[w.Name] = b.Add("CPU of a transaction, outbox: "+w.Name, "µs", "reported", nil)
	}
	for _, w := range ways[1:] {
		what, target, holds := "writers, outbox: "+w.Name+", as a share of those without", ">= 0.95", func(v float64) bool { return v >= 0.95 }
		if w.silent {
			what, target, holds = "writers of a second row instead, as a share of those without", "reported", nil
		}
		shares[w.Name] = b.Add(what, "", target, holds)
	}
	for range b.Rounds {
		seen := map[string]float64{}
		for _, w := range ways {
			rate, micros, err := b.Load(ctx, server, writers, w.Write)
			if err != nil {
				return fmt.Errorf("outbox %s: %w", w.Name, err)
			}
			seen[w.Name] = rate
			rates[w.Name](rate)
			costs[w.Name](micros)
			if err := w.Drain(ctx); err != nil {
				return fmt.Errorf("outbox %s: %w", w.Name, err)
			}
		}
		for name, put := range shares {
			put(seen[name] / seen[ways[0].Name])
		}
	}
	return nil
}

// told measures how soon, and in which order, events are there.
func told(ctx context.Context, b Bench, ways []*Way) error {
	p50, p99 := map[string]func(float64){}, map[string]func(float64){}
	for _, w := range ways {
		if !w.silent {
			p50[w.Name] = b.Add("an event is there after, p50, outbox: "+w.Name, "ms", "reported", nil)
			p99[w.Name] = b.Add("an event is there after, p99, outbox: "+w.Name, "ms", "<= 25", func(v float64) bool { return v <= 25 })
		}
	}
	for range b.Rounds {
		for _, w := range ways {
			if w.silent {
				continue
			}
			half, most, err := w.Pace(ctx, paced, pacedFor)
			if err != nil {
				return fmt.Errorf("outbox %s, paced: %w", w.Name, err)
			}
			p50[w.Name](float64(half.Microseconds()) / 1000)
			p99[w.Name](float64(most.Microseconds()) / 1000)
		}
	}
	none := func(v float64) bool { return v == 0 }
	for _, w := range ways {
		if w.silent {
			continue
		}
		n, err := w.Order(ctx, b.Messages)
		if err != nil {
			return fmt.Errorf("outbox %s, order: %w", w.Name, err)
		}
		b.Add("lost, outbox: "+w.Name, "", "0", none)(float64(n.Lost))
		b.Add("out of order in their key, outbox: "+w.Name, "", "0", none)(float64(n.OutOfOrder))
		b.Add("events from end to end, outbox: "+w.Name, "/s", "reported", nil)(float64(b.Messages) / n.Took.Seconds())
	}
	return nil
}
