package group

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/tx"
)

// Conn is what a flush asks: a *sql.DB, or a transaction.
type Conn interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

var (
	_ Conn = (*sql.DB)(nil)
	_ Conn = tx.Tx(nil)
	_ Conn = (*compiled)(nil)
)

// Commit runs fn for what is to be committed together. With PostgreSQL, whose statements are
// far away, fn is given the database itself and is to write all rows with one statement, see
// [Columns]: that is a transaction, and takes one round trip. With SQLite, whose statements are
// near, and with MariaDB fn is given a transaction and writes row by row; each statement's text
// is compiled once. Where the transaction failed only because of others fn is called again.
func Commit(ctx context.Context, db *sql.DB, dialect tx.Dialect, fn func(ctx context.Context, c Conn) error) error {
	if dialect == tx.Postgres {
		return tx.Repeat(func() error { return fn(ctx, db) })
	}
	return tx.Again(ctx, db, func(ctx context.Context, t *sql.Tx) error {
		return fn(ctx, &compiled{Tx: t, statements: map[string]*sql.Stmt{}})
	})
}

// compiled is a transaction that compiles what is asked for the second time.
type compiled struct {
	*sql.Tx

	statements map[string]*sql.Stmt // nil: asked once. They are closed by the transaction's end
}

// get returns a statement's compiled form, nil for the first time it is asked.
func (c *compiled) get(ctx context.Context, query string) (*sql.Stmt, error) {
	stmt, again := c.statements[query]
	if stmt != nil {
		return stmt, nil
	}
	var err error
	if again {
		stmt, err = c.PrepareContext(ctx, query)
	}
	if err == nil {
		c.statements[query] = stmt
	}
	return stmt, err
}

func (c *compiled) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	stmt, err := c.get(ctx, query) //nolint:sqlclosecheck // the transaction's end closes it
	if err != nil || stmt == nil {
		return c.Tx.QueryRowContext(ctx, query, args...) // it says what is wrong
	}
	return stmt.QueryRowContext(ctx, args...)
}

func (c *compiled) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	stmt, err := c.get(ctx, query) //nolint:sqlclosecheck // the transaction's end closes it
	if err != nil || stmt == nil {
		return c.Tx.ExecContext(ctx, query, args...) // as above
	}
	return stmt.ExecContext(ctx, args...)
}
