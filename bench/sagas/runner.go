package sagas

import (
	"context"
	"crypto/rand"
	"database/sql"
	"sync"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// CommitOne returns work that commits a row.
func CommitOne(db *sql.DB) func(ctx context.Context, worker, i int) (int, error) {
	return func(ctx context.Context, _, _ int) (int, error) {
		_, err := db.ExecContext(ctx, `INSERT INTO plain (id, body) VALUES ($1, $2)`, rand.Text(), "a row of some length, as an order might have")
		return 1, err
	}
}

// Runner runs sagas to their end.
type Runner struct {
	db     *sql.DB
	saga   *saga.Saga[string]
	ended  sync.Map // id to a channel that is closed
	cancel context.CancelFunc
	done   chan error
}

// NewRunner makes the tables and an engine with so many workers, and runs it.
func NewRunner(ctx context.Context, db *sql.DB, workers int) (*Runner, error) {
	if err := saga.Migrate(ctx, db); err != nil {
		return nil, err
	}
	r := &Runner{db: db, done: make(chan error, 1)}
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
	engine, err := saga.New(db, saga.Config{Owner: "bench", Workers: workers}, r.saga)
	if err != nil {
		return nil, err
	}
	ctx, r.cancel = context.WithCancel(ctx)
	go func() { r.done <- engine.Run(ctx) }()
	return r, nil
}

// One starts a saga and returns when it has ended.
func (r *Runner) One(ctx context.Context) error {
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

// Stop ends the engine.
func (r *Runner) Stop() error {
	r.cancel()
	return <-r.done
}
