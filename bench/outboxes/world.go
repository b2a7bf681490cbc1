// Package outboxes are the loads of the benchmark of outboxes.
package outboxes

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/logical"
)

// writers is how many connections write at once.
const writers = 32

// Way is a database whose changes are told in one way.
type Way struct {
	Name   string
	db     *sql.DB
	stream outbox.Stream // nil: by the table
	silent bool          // not at all
	broker bus.Broker
	topic  bus.Topic[Numbered]
	loads  int // whose events have a topic of their own
}

// Numbered is what is told.
type Numbered struct {
	Key string `json:"key"`
	N   int64  `json:"n"`
	At  int64  `json:"at"` // nanoseconds since 1970, when it was appended
	Pad string `json:"pad"`
}

// pad makes an event of about 256 bytes.
var pad = fmt.Sprintf("%0180d", 0) //nolint:gochecknoglobals // a constant, but for its making

// Open makes the databases of the ways on one server.
func Open(ctx context.Context, url func(database string) string, broker bus.Broker) (ways []*Way, closeAll func(), err error) {
	admin, err := postgres.Driver.Open(ctx, url("postgres"))
	if err != nil {
		return nil, nil, err
	}
	closeAll = func() {
		for _, w := range ways {
			_ = w.db.Close() // nothing is left to be written
		}
		_ = admin.Close()
	}
	for _, name := range []string{"none", "row", "table", "log"} {
		w := &Way{Name: name, silent: name == "none" || name == "row", broker: broker, topic: bus.Topic[Numbered]{Name: name + ".written"}}
		if _, err := admin.ExecContext(ctx, "CREATE DATABASE bench_"+name); err != nil {
			return nil, closeAll, err
		}
		at := url("bench_"+name) + fmt.Sprintf("&pool_max_conns=%d", writers+4)
		if w.db, err = postgres.Driver.Open(ctx, at); err != nil {
			return nil, closeAll, err
		}
		ways = append(ways, w)
		if err := w.prepare(ctx, at); err != nil {
			return nil, closeAll, err
		}
	}
	return ways, closeAll, nil
}

func (w *Way) prepare(ctx context.Context, url string) (err error) {
	for _, statement := range []string{"CREATE TABLE orders (id text PRIMARY KEY, body text NOT NULL)", "CREATE TABLE counter (key text PRIMARY KEY, n bigint NOT NULL)"} {
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	if err := outbox.Migrate(ctx, w.db); err != nil || w.Name != "log" {
		return err
	}
	if w.stream, err = logical.NewStream(url, nil); err != nil {
		return err
	}
	return w.Relayed(ctx, func(ctx context.Context) error { // so that the log is the way out
		for {
			if b, err := outbox.Waiting(ctx, w.db); err != nil || b.Log != nil {
				return err
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
}

// Relayed runs a relay beside work.
func (w *Way) Relayed(ctx context.Context, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &outbox.Relay{DB: w.db, Publisher: w.broker, Source: "/bench", Stream: w.stream}
	done := make(chan error, 1)
	if !w.silent {
		go func() {
			done <- r.Run(ctx)
			cancel() // what waits for it need not
		}()
	} else {
		done <- nil
	}
	err := work(outbox.WithRelay(ctx, r))
	cancel()
	if e := <-done; e != nil {
		return e // the cause of the other
	}
	return err
}

// Write is one transaction: a row, and an event where there are any.
func (w *Way) Write(ctx context.Context, worker, i int) (int, error) {
	return 1, w.write(ctx, fmt.Sprint(worker), int64(i))
}

func (w *Way) write(ctx context.Context, key string, n int64) error {
	return tx.Do(ctx, w.db, func(ctx context.Context, t *sql.Tx) error {
		if _, err := t.ExecContext(ctx, `INSERT INTO orders (id, body) VALUES ($1, $2)`, rand.Text(), pad); err != nil || w.Name == "none" {
			return err
		}
		if w.silent {
			_, err := t.ExecContext(ctx, `INSERT INTO orders (id, body) VALUES ($1, $2)`, rand.Text(), pad+pad)
			return err
		}
		return outbox.Append(ctx, t, w.topic, key, Numbered{key, n, time.Now().UnixNano(), pad})
	})
}

// Drain publishes what waits.
func (w *Way) Drain(ctx context.Context) error {
	if w.silent {
		return nil
	}
	return w.Relayed(ctx, func(ctx context.Context) error {
		var here string
		if err := w.db.QueryRowContext(ctx, `SELECT CAST(pg_current_wal_insert_lsn() AS text)`).Scan(&here); err != nil {
			return err
		}
		if _, err := w.db.ExecContext(ctx, `SELECT pg_logical_emit_message(true, 'muster.outbox/public', '')`); err != nil {
			return err
		}
		for {
			var rest int
			err := w.db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM muster_outbox) +
				(SELECT count(*) FROM muster_outbox_log WHERE CAST(split_part(position, ' ', 1) AS pg_lsn) < CAST($1 AS pg_lsn))`, here).Scan(&rest)
			if err != nil || rest == 0 {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	})
}

// together runs so many workers.
func together(n int, work func(i int) error) error {
	errs := make([]error, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { errs[i] = work(i) })
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
