package crash

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"

	"github.com/musterdev/muster/observe/sqltrace"
)

// Connector returns c with all that its connections do counted: each statement, commit
// and rollback. What else c's connections can do stays: contexts, named values, resetting,
// validity, pings, KeepWriteLock; (*sql.Conn).Raw gives a connection whose method Unwrap
// returns c's own. What is done by that is not counted.
//
// After a cut a transaction that is open can only be rolled back, and no connection is
// valid any more.
func (p *Plan) Connector(c driver.Connector) driver.Connector {
	if p == nil {
		return c
	}
	return &connector{Connector: c, plan: p}
}

type connector struct {
	driver.Connector
	plan *Plan
}

// Connect opens one connection.
func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	if c.plan.dead() {
		return nil, ErrCut
	}
	inner, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	own := &conn{inner: inner, plan: c.plan}
	if keeper, ok := inner.(writeLocker); ok {
		return &lockingConn{own, keeper}, nil
	}
	return own, nil
}

// Close ends what the connector keeps; (*sql.DB).Close calls it.
func (c *connector) Close() error {
	if closer, ok := c.Connector.(io.Closer); ok {
		return closer.Close()
	}
	return nil
}

// writeLocker is what package migrate looks for in a connection of SQLite.
type writeLocker interface {
	KeepWriteLock(ctx context.Context) (release func(), err error)
}

type lockingConn struct {
	*conn
	writeLocker
}

// conn is one connection. Like every driver.Conn it is for one goroutine at a time.
type conn struct {
	inner driver.Conn
	plan  *Plan
}

var (
	_ driver.ConnBeginTx        = (*conn)(nil)
	_ driver.ConnPrepareContext = (*conn)(nil)
	_ driver.ExecerContext      = (*conn)(nil)
	_ driver.QueryerContext     = (*conn)(nil)
	_ driver.Pinger             = (*conn)(nil)
	_ driver.SessionResetter    = (*conn)(nil)
	_ driver.Validator          = (*conn)(nil)
	_ driver.NamedValueChecker  = (*conn)(nil)
)

// Unwrap returns the connection below.
func (c *conn) Unwrap() driver.Conn { return c.inner }

// Close closes the connection, also of one that was cut off.
func (c *conn) Close() error { return c.inner.Close() }

// statement carries a statement out between its two sides.
func (c *conn) statement(query string, op func() error) error {
	operation, target := sqltrace.Summary(query)
	if target != "" {
		operation += " " + target
	}
	return c.plan.Do(Statement, operation, op)
}

// Begin is BeginTx without options.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx begins a transaction.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	var begun driver.Tx
	err := c.statement("BEGIN", func() (err error) {
		if in, ok := c.inner.(driver.ConnBeginTx); ok {
			begun, err = in.BeginTx(ctx, opts)
		} else if opts != (driver.TxOptions{}) {
			err = errors.New("crash: the driver below knows no options of transactions")
		} else {
			begun, err = c.inner.Begin() //nolint:staticcheck // an older driver has nothing else
		}
		return err
	})
	if err != nil {
		if begun != nil { // cut off just now: nobody would end it
			_ = begun.Rollback()
		}
		return nil, err
	}
	return &transaction{begun, c.plan}, nil
}

type transaction struct {
	inner driver.Tx
	plan  *Plan
}

// Commit commits. When the process is cut off before, the transaction is left to be
// rolled back, now: database/sql asks for no Rollback after a Commit that failed.
func (t *transaction) Commit() error {
	begun := false
	err := t.plan.Do(Commit, "", func() error {
		begun = true
		return t.inner.Commit()
	})
	if !begun {
		_ = t.inner.Rollback()
	}
	return err
}

// Rollback rolls back, whatever became of the process: its end does the same.
func (t *transaction) Rollback() error {
	begun := false
	err := t.plan.Do(Rollback, "", func() error {
		begun = true
		return t.inner.Rollback()
	})
	if !begun {
		_ = t.inner.Rollback()
	}
	return err
}

// ExecContext executes a statement.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (result driver.Result, err error) {
	in, ok := c.inner.(driver.ExecerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	err = c.statement(query, func() (err error) {
		result, err = in.ExecContext(ctx, query, args)
		return err
	})
	return result, err
}

// QueryContext executes a query. Its rows are read after its boundary.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	in, ok := c.inner.(driver.QueryerContext)
	if !ok {
		return nil, driver.ErrSkip
	}
	return c.rows(query, func() (driver.Rows, error) { return in.QueryContext(ctx, query, args) })
}

func (c *conn) rows(query string, op func() (driver.Rows, error)) (driver.Rows, error) {
	var rows driver.Rows
	err := c.statement(query, func() (err error) {
		rows, err = op()
		return err
	})
	if err != nil {
		if rows != nil { // cut off just now: nobody would close them
			_ = rows.Close()
		}
		return nil, err
	}
	return rows, nil
}

// Prepare is PrepareContext without a context.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares a statement, which is counted when it is executed.
func (c *conn) PrepareContext(ctx context.Context, query string) (prepared driver.Stmt, err error) {
	if c.plan.dead() {
		return nil, ErrCut
	}
	if in, ok := c.inner.(driver.ConnPrepareContext); ok {
		prepared, err = in.PrepareContext(ctx, query)
	} else {
		prepared, err = c.inner.Prepare(query)
	}
	if err != nil {
		return nil, err
	}
	return &stmt{Stmt: prepared, conn: c, query: query}, nil
}

// Ping asks the connection below, where it can.
func (c *conn) Ping(ctx context.Context) error {
	if c.plan.dead() {
		return ErrCut
	}
	if in, ok := c.inner.(driver.Pinger); ok {
		return in.Ping(ctx)
	}
	return nil
}

// ResetSession asks the connection below, where it can.
func (c *conn) ResetSession(ctx context.Context) error {
	if c.plan.dead() {
		return driver.ErrBadConn
	}
	if in, ok := c.inner.(driver.SessionResetter); ok {
		return in.ResetSession(ctx)
	}
	return nil
}

// IsValid tells whether the pool may keep the connection.
func (c *conn) IsValid() bool {
	if c.plan.dead() {
		return false
	}
	in, ok := c.inner.(driver.Validator)
	return !ok || in.IsValid()
}

// CheckNamedValue asks the connection below, where it can.
func (c *conn) CheckNamedValue(v *driver.NamedValue) error {
	if in, ok := c.inner.(driver.NamedValueChecker); ok {
		return in.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
