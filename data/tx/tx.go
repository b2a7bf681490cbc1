// Package tx holds the one interface by which Muster's data patterns join a
// caller's transaction, the way to run a transaction to its end, and what they
// need to know of the engine below.
package tx

import (
	"context"
	"database/sql"
	"errors"
)

// Tx is a running transaction. *sql.Tx satisfies it and *sql.DB does not, so that
// a pattern which needs atomicity cannot be handed a plain database by mistake.
// Like *sql.Tx it is for one goroutine at a time.
type Tx interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	Commit() error
	Rollback() error
}

var _ Tx = (*sql.Tx)(nil)

// Do runs fn in a transaction of db: committed when fn returns nil, rolled back
// when it returns an error, panics or ends its goroutine. fn must not commit or
// roll back itself, and what it does must go through its tx: with SQLite a write
// beside the transaction waits for the very lock the transaction holds.
//
// An error of fn is returned as it is. When the commit fails because the
// connection broke, it is not known whether it took effect.
func Do(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return run(ctx, db, nil, fn)
}

// Read runs fn in a transaction that can only read and sees the database as it
// was at its first query, whatever others commit meanwhile. On SQLite it takes no
// lock that a writer waits for.
func Read(ctx context.Context, db *sql.DB, fn func(ctx context.Context, tx *sql.Tx) error) error {
	return run(ctx, db, &sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, fn)
}

func run(ctx context.Context, db *sql.DB, opts *sql.TxOptions, fn func(ctx context.Context, tx *sql.Tx) error) error {
	t, err := db.BeginTx(ctx, opts)
	if err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // fn panicked or called runtime.Goexit, which goes on after this
			_ = t.Rollback()
		}
	}()
	var after hooks
	err = fn(context.WithValue(ctx, hooksKey{}, &after), t)
	ended = true
	if err == nil {
		if err = t.Commit(); err == nil {
			after.run()
		}
		return err
	}
	if rb := t.Rollback(); rb != nil && !errors.Is(rb, sql.ErrTxDone) {
		return errors.Join(err, rb)
	}
	return err
}
