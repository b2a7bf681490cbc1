package mysql

import (
	"context"
	"database/sql/driver"
	"slices"
)

// clientConn is what the client's connections can do.
type clientConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn speaks MariaDB to a connection of the client's.
type conn struct {
	clientConn
	connector *connector
}

// ExecContext runs a statement without rows.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	s := c.connector.known.of(query)
	ctx, end := c.connector.traced.Start(ctx, query)
	res, err := c.clientConn.ExecContext(ctx, s.text, s.order(args))
	if s.once && isDuplicate(err) {
		res, err = driver.RowsAffected(0), nil
	}
	err = explain(err)
	end(err)
	return res, err
}

// QueryContext runs a statement with rows.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	s := c.connector.known.of(query)
	ctx, end := c.connector.traced.Start(ctx, query)
	rows, err := c.clientConn.QueryContext(ctx, s.text, s.order(args))
	rows, err = s.read(rows, err)
	end(err)
	return rows, err
}

// PrepareContext prepares a statement.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s := c.connector.known.of(query)
	prepared, err := c.clientConn.PrepareContext(ctx, s.text)
	if err != nil {
		return nil, explain(err)
	}
	return &stmt{Stmt: prepared, statement: s}, nil
}

// Prepare is PrepareContext without an end.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// BeginTx begins a transaction.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	t, err := c.clientConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, explain(err)
	}
	return tx{t}, nil
}

type tx struct{ driver.Tx }

// Commit commits.
func (t tx) Commit() error { return explain(t.Tx.Commit()) }

// stmt is a statement of the client's.
type stmt struct {
	driver.Stmt
	statement statement
}

// NumInput returns -1: a parameter may stand more than once, or in another order.
func (*stmt) NumInput() int { return -1 }

// ExecContext runs it without rows.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	res, err := s.Stmt.(driver.StmtExecContext).ExecContext(ctx, s.statement.order(args)) //nolint:errcheck,forcetypeassert // the client's have it
	if s.statement.once && isDuplicate(err) {
		return driver.RowsAffected(0), nil
	}
	return res, explain(err)
}

// QueryContext runs it with rows.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	rows, err := s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, s.statement.order(args)) //nolint:errcheck,forcetypeassert // as above
	return s.statement.read(rows, err)
}

// order puts arguments where their parameters stand.
func (s statement) order(args []driver.NamedValue) []driver.NamedValue {
	if s.params == nil {
		return args
	}
	ordered := make([]driver.NamedValue, 0, len(s.params))
	for i, n := range s.params {
		at := slices.IndexFunc(args, func(a driver.NamedValue) bool { return a.Ordinal == n })
		if at < 0 {
			return args // the client says how many are missing
		}
		ordered = append(ordered, driver.NamedValue{Ordinal: i + 1, Value: args[at].Value})
	}
	return ordered
}
