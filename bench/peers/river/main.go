// Command river runs two jobs that do nothing, one after the other, as River carries them out: the
// first inserts the second in the transaction that completes it. Its arguments are the URL of the
// database and how many pairs are under way at once.
package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/musterdev/muster/bench/peers/load"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "river:", err)
		os.Exit(1)
	}
}

type ask struct {
	ID string `json:"id"`
}

func (ask) Kind() string { return "ask" }

type tell struct {
	ID string `json:"id"`
}

func (tell) Kind() string { return "tell" }

type asking struct {
	river.WorkerDefaults[ask]

	pool *pgxpool.Pool
}

func (w *asking) Work(ctx context.Context, job *river.Job[ask]) error {
	return pgx.BeginFunc(ctx, w.pool, func(tx pgx.Tx) error {
		if _, err := river.ClientFromContext[pgx.Tx](ctx).InsertTx(ctx, tx, tell{job.Args.ID}, nil); err != nil {
			return err
		}
		_, err := river.JobCompleteTx[*riverpgxv5.Driver](ctx, tx, job)
		return err
	})
}

type telling struct {
	river.WorkerDefaults[tell]

	ended *sync.Map // id to a channel that is closed
}

func (w *telling) Work(_ context.Context, job *river.Job[tell]) error {
	if c, ok := w.ended.LoadAndDelete(job.Args.ID); ok {
		close(c.(chan struct{}))
	}
	return nil
}

func run(ctx context.Context) error {
	if len(os.Args) != 3 {
		return fmt.Errorf("usage: river URL WORKERS")
	}
	workers, err := strconv.Atoi(os.Args[2])
	if err != nil {
		return err
	}
	pool, err := pgxpool.New(ctx, os.Args[1]+"&pool_max_conns=10")
	if err != nil {
		return err
	}
	defer pool.Close()
	migrator, err := rivermigrate.New(riverpgxv5.New(pool), nil)
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	var ended sync.Map
	all := river.NewWorkers()
	river.AddWorker(all, &asking{pool: pool})
	river.AddWorker(all, &telling{ended: &ended})
	client, err := river.NewClient(riverpgxv5.New(pool), &river.Config{
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}}, Workers: all,
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), FetchCooldown: time.Millisecond, FetchPollInterval: 50 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	if err := client.Start(ctx); err != nil {
		return err
	}
	defer func() { _ = client.Stop(ctx) }() // nothing is under way
	return load.Serve(ctx, workers, func(ctx context.Context) error {
		id, c := rand.Text(), make(chan struct{})
		ended.Store(id, c)
		if _, err := client.Insert(ctx, ask{id}, nil); err != nil {
			return err
		}
		select {
		case <-c:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}
