package idempotency

import (
	"context"
	"database/sql"
	"errors"
	"sync/atomic"

	"github.com/musterdev/muster/data/tx"
)

var (
	errNoDB   = errors.New("idempotency: the database is nil: open it before")
	errNested = errors.New("idempotency: Run or Begin is called within the function of another on the same database, where it would wait for that one's transaction: call one after the other, each with a context made by Part, or write through the tx at hand")
)

// inside marks the context of what runs within a transaction of Run or Begin.
type inside struct {
	db    *sql.DB
	ended atomic.Bool // the context may outlive the transaction
	outer *inside     // a transaction of another database around this one
}

type insideKey struct{}

// ready reports why no transaction of db can begin under ctx, nil when one can.
func ready(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	for in := insideOf(ctx); in != nil; in = in.outer {
		if in.db == db && !in.ended.Load() {
			return errNested
		}
	}
	return nil
}

// do is tx.Do with the context marked.
func do(ctx context.Context, db *sql.DB, fn func(ctx context.Context, t *sql.Tx) error) error {
	in := &inside{db: db, outer: insideOf(ctx)}
	defer in.ended.Store(true)
	return tx.Do(context.WithValue(ctx, insideKey{}, in), db, fn)
}

func insideOf(ctx context.Context) *inside {
	in, _ := ctx.Value(insideKey{}).(*inside)
	return in
}
