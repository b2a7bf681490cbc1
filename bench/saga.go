package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/sqlite"
)

// inFlight is how many sagas, and how many plain commits, are under way at once.
const inFlight = 64

// roundLength is how long each load of a round lasts.
const roundLength = 4 * time.Second

// benchSaga measures sagas of two steps beside plain commits, on both engines.
func benchSaga(ctx context.Context, _ string, rounds int) (*result, error) {
	r := &result{
		name: "bench-saga", title: "Sagas beside plain commits (`make bench-saga`)",
		method: fmt.Sprintf("One process, %d in flight, %s a load, loads interleaved. A saga has a remote step that asks nobody and a local "+
			"step: three commits with its start. A plain commit inserts one row. Both are durable (synchronous=FULL, fsync=on). CPU is that of the "+
			"process and of the database server.", inFlight, roundLength),
	}
	dir, err := os.MkdirTemp("", "muster-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary folder
	lite, err := sqlite.Driver.Open(ctx, "sqlite:"+filepath.Join(dir, "bench.db"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = lite.Close() }() // nothing is left to be written
	if err := compareSagas(ctx, r, "SQLite", lite, nil, rounds); err != nil {
		return nil, err
	}
	server, err := pgtest.Durable()
	if err != nil {
		return nil, err
	}
	defer server.Stop()
	pg, err := postgres.Driver.Open(ctx, server.URL("postgres"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = pg.Close() }() // as above
	return r, compareSagas(ctx, r, "PostgreSQL", pg, serverCPU(server.PID()), rounds)
}

// compareSagas adds the figures of one engine.
func compareSagas(ctx context.Context, r *result, engine string, db *sql.DB, server func() time.Duration, rounds int) error {
	report := func(what, unit string) *figure {
		return r.add(&figure{what: engine + ": " + what, unit: unit, target: "reported"})
	}
	commits, commitCPU := report("plain commits", "/s"), report("CPU of a plain commit", "µs")
	sagas, sagaCPU := report("sagas", "/s"), report("CPU of a saga", "µs")
	ratio := report("sagas a second as a share of (plain commits / 3)", "")
	if _, err := db.ExecContext(ctx, `CREATE TABLE plain (id TEXT PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		return err
	}
	runner, err := newRunner(ctx, db)
	if err != nil {
		return err
	}
	defer func() { _ = runner.stop() }() // its sagas have ended, or the benchmark has failed already
	for range rounds {
		plain, err := repeat(ctx, inFlight, roundLength, server, func(ctx context.Context, _, _ int) (int, error) {
			_, err := db.ExecContext(ctx, `INSERT INTO plain (id, body) VALUES ($1, $2)`, rand.Text(), "a row of some length, as an order might have")
			return 1, err
		})
		if err != nil {
			return err
		}
		whole, err := repeat(ctx, inFlight, roundLength, server, func(ctx context.Context, _, _ int) (int, error) { return 1, runner.one(ctx) })
		if err != nil {
			return err
		}
		commits.values, commitCPU.values = append(commits.values, plain.rate()), append(commitCPU.values, plain.micros())
		sagas.values, sagaCPU.values = append(sagas.values, whole.rate()), append(sagaCPU.values, whole.micros())
		ratio.values = append(ratio.values, whole.rate()/(plain.rate()/3))
	}
	return nil
}

// runner runs sagas to their end.
type runner struct {
	db     *sql.DB
	saga   *saga.Saga[string]
	ended  sync.Map // id to a channel that is closed
	cancel context.CancelFunc
	done   chan error
}

func newRunner(ctx context.Context, db *sql.DB) (*runner, error) {
	if err := saga.Migrate(ctx, db); err != nil {
		return nil, err
	}
	r := &runner{db: db, done: make(chan error, 1)}
	r.saga = &saga.Saga[string]{
		Name: "bench", Version: 1,
		Steps: []saga.Step[string]{
			saga.Remote[string]{Name: "ask", Do: func(context.Context, *string) error { return nil }, NoUndo: true},
			saga.Local[string]{Name: "settle", Do: func(context.Context, tx.Tx, *string) error { return nil }},
		},
		Completed: func(_ context.Context, _ tx.Tx, id *string) error {
			if c, waited := r.ended.LoadAndDelete(*id); waited {
				if ended, ok := c.(chan struct{}); ok { // that is what one stores
					close(ended)
				}
			}
			return nil
		},
	}
	engine, err := saga.New(db, saga.Config{Owner: "bench", Workers: inFlight}, r.saga)
	if err != nil {
		return nil, err
	}
	ctx, r.cancel = context.WithCancel(ctx)
	go func() { r.done <- engine.Run(ctx) }()
	return r, nil
}

// one starts a saga and returns when it has ended.
func (r *runner) one(ctx context.Context) error {
	id, ended := rand.Text(), make(chan struct{})
	r.ended.Store(id, ended)
	err := tx.Do(ctx, r.db, func(ctx context.Context, t *sql.Tx) error { return r.saga.Start(ctx, t, id, id) })
	if err != nil {
		return err
	}
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *runner) stop() error {
	r.cancel()
	return <-r.done
}

// serverCPU returns what a process and all below it have used so far.
func serverCPU(pid int) func() time.Duration {
	return func() time.Duration {
		processes, err := tree(pid)
		if err != nil {
			return 0
		}
		var sum time.Duration
		for _, p := range processes {
			sum += p.cpu
		}
		return sum
	}
}
