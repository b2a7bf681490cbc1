package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster/bench/sagas"
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
			"process and of the database server. A light saga has two remote steps that ask nobody, and nothing else to be committed with: its three "+
			"transitions share commits with those of others. One with calls asks a server in this process by HTTP, twice, and its CPU includes that.", inFlight, roundLength),
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
	if err := sagas.Compare(ctx, light(r, "SQLite", lite, nil, rounds)); err != nil {
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
	if err := compareSagas(ctx, r, "PostgreSQL", pg, serverCPU(server.PID()), rounds); err != nil {
		return nil, err
	}
	return r, sagas.Compare(ctx, light(r, "PostgreSQL", pg, serverCPU(server.PID()), rounds))
}

// compareSagas adds the figures of one engine.
func compareSagas(ctx context.Context, r *result, engine string, db *sql.DB, server func() time.Duration, rounds int) error {
	report := func(what, unit string) *figure {
		return r.add(&figure{what: engine + ": " + what, unit: unit, target: "reported"})
	}
	commits, commitCPU := report("plain commits", "/s"), report("CPU of a plain commit", "µs")
	whole, wholeCPU := report("sagas", "/s"), report("CPU of a saga", "µs")
	ratio := report("sagas a second as a share of (plain commits / 3)", "")
	if _, err := db.ExecContext(ctx, `CREATE TABLE plain (id TEXT PRIMARY KEY, body TEXT NOT NULL)`); err != nil {
		return err
	}
	runner, err := sagas.NewRunner(ctx, db, inFlight)
	if err != nil {
		return err
	}
	defer func() { _ = runner.Stop() }() // its sagas have ended, or the benchmark has failed already
	for range rounds {
		plain, err := repeat(ctx, inFlight, server, sagas.CommitOne(db))
		if err != nil {
			return err
		}
		ended, err := repeat(ctx, inFlight, server, func(ctx context.Context, _, _ int) (int, error) { return 1, runner.One(ctx) })
		if err != nil {
			return err
		}
		commits.values, commitCPU.values = append(commits.values, plain.rate()), append(commitCPU.values, plain.micros())
		whole.values, wholeCPU.values = append(whole.values, ended.rate()), append(wholeCPU.values, ended.micros())
		ratio.values = append(ratio.values, ended.rate()/(plain.rate()/3))
	}
	return nil
}

// light is how the light sagas of an engine are measured and reported.
func light(r *result, engine string, db *sql.DB, server func() time.Duration, rounds int) sagas.Bench {
	return sagas.Bench{
		DB: db, Lite: server == nil, Rounds: rounds,
		Add: func(what, unit, target string, holds func(float64) bool) func(float64) {
			f := r.add(&figure{what: engine + ": " + what, unit: unit, target: target, holds: holds})
			return func(v float64) { f.values = append(f.values, v) }
		},
		Load: func(ctx context.Context, workers int, do sagas.Work) (rate, micros float64, err error) {
			m, err := repeat(ctx, workers, server, do)
			return m.rate(), m.micros(), err
		},
	}
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
