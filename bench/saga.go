//go:build unix

package main

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterdev/muster/bench/figures"
	"github.com/musterdev/muster/bench/host"
	"github.com/musterdev/muster/bench/sagas"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/sqlite"
)

// inFlight is how many sagas, and how many plain commits, are under way at once.
const inFlight = 64

// benchSaga measures sagas of two steps beside plain commits, on both engines.
func benchSaga(ctx context.Context, _ string, rounds int) (*figures.Result, error) {
	r := &figures.Result{
		Name: "bench-saga", Title: "Sagas beside plain commits (`make bench-saga`)",
		Method: fmt.Sprintf("One process, %d in flight, %s a load, loads interleaved. A saga has a remote step that asks nobody and a local "+
			"step: three commits with its start. A plain commit inserts one row. Both are durable (synchronous=FULL, fsync=on). CPU is that of the "+
			"process and of the database server. A light saga has two remote steps that ask nobody, and nothing else to be committed with: its three "+
			"transitions share commits with those of others. One with calls asks a server by HTTP, twice; that server is a process of its own, and what it uses is counted neither here nor with DTM. "+
			"Beside it, on the same PostgreSQL, each in a process and a database of its own: DTM v1.18.0, which makes the same two calls (its asynchronous default, 64 connections); "+
			"workflows of two steps that do nothing of DBOS Go v1.8.0; two jobs that do nothing of River v0.51.0, the first of which inserts the second.", inFlight, host.RoundLength),
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
	if err := compareSagas(ctx, r, "PostgreSQL", pg, host.ServerCPU(server.PID()), rounds); err != nil {
		return nil, err
	}
	for _, name := range []string{"dtm", "dbos", "river"} {
		if _, err := pg.ExecContext(ctx, "CREATE DATABASE "+name); err != nil {
			return nil, err
		}
	}
	b := light(r, "PostgreSQL", pg, host.ServerCPU(server.PID()), rounds)
	peers, missing, stop, err := sagas.Peers(ctx, server.URL, sagas.Means{Server: host.ServerCPU(server.PID()), Used: host.ServerCPU, Length: host.RoundLength, Load: b.Load})
	if err != nil {
		return nil, err
	}
	defer stop()
	r.Beside = strings.Join(missing, " ") + "\n"
	b.Peers = peers
	return r, sagas.Compare(ctx, b)
}

// compareSagas adds the figures of one engine.
func compareSagas(ctx context.Context, r *figures.Result, engine string, db *sql.DB, server func() time.Duration, rounds int) error {
	report := func(what, unit string) *figures.Figure { return r.Report(engine+": "+what, unit) }
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
		plain, err := host.Repeat(ctx, inFlight, server, sagas.CommitOne(db))
		if err != nil {
			return err
		}
		ended, err := host.Repeat(ctx, inFlight, server, func(ctx context.Context, _, _ int) (int, error) { return 1, runner.One(ctx) })
		if err != nil {
			return err
		}
		commits.Put(plain.Rate())
		commitCPU.Put(plain.Micros())
		whole.Put(ended.Rate())
		wholeCPU.Put(ended.Micros())
		ratio.Put(ended.Rate() / (plain.Rate() / 3))
	}
	return nil
}

// light is how the light sagas of an engine are measured and reported.
func light(r *figures.Result, engine string, db *sql.DB, server func() time.Duration, rounds int) sagas.Bench {
	return sagas.Bench{
		DB: db, Lite: server == nil, Rounds: rounds,
		Add: r.Putter(engine + ": "),
		Load: func(ctx context.Context, workers int, do sagas.Work) (rate, micros float64, err error) {
			m, err := host.Repeat(ctx, workers, server, do)
			return m.Rate(), m.Micros(), err
		},
	}
}
