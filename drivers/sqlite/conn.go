package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
)

// inner is what a connection of the engine can do.
type inner interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.SessionResetter
	driver.Validator
}

// conn is one connection that takes the write lock before what writes. Like every
// driver.Conn it is for one goroutine at a time.
type conn struct {
	inner inner
	from  *connector
	state txState
	holds bool // the write lock
	kept  bool // by KeepWriteLock: no statement's end gives it back
}

// txState says what transaction a connection is in.
type txState uint8

const (
	none     txState = iota
	readOnly         // by BeginTx
	writing          // by BeginTx
	ended            // by BeginTx, and no longer open in the engine: nothing but its end is left
	byHand           // by a BEGIN or SAVEPOINT the user executed
)

var (
	_ inner                    = (*conn)(nil)
	_ driver.NamedValueChecker = (*conn)(nil)
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
)

func (c *conn) acquire(ctx context.Context) error {
	if c.holds {
		return nil
	}
	if err := c.from.lock.acquire(ctx); err != nil {
		return err
	}
	c.holds = true
	return nil
}

// release gives the write lock back, unless something still needs it.
func (c *conn) release() {
	if c.holds && !c.kept && c.state != writing && c.state != byHand {
		c.holds = false
		c.from.lock.release()
	}
}

// KeepWriteLock takes the write lock for this connection and keeps it, over any
// number of statements and transactions, until release is called. It is reached by
// (*sql.Conn).Raw; package migrate uses it. A connection that goes back to its pool
// without release is closed.
func (c *conn) KeepWriteLock(ctx context.Context) (release func(), err error) {
	if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	c.kept = true
	return func() {
		c.kept = false
		c.release()
	}, nil
}

// Unwrap returns the connection of modernc.org/sqlite, for what only it can do,
// such as backups. What is written through it does not queue.
func (c *conn) Unwrap() driver.Conn { return c.inner }

// BeginTx begins a transaction: at once and with the write lock, or, when it is
// read only, without either. SQLite's one isolation level, serializable, satisfies all.
func (c *conn) BeginTx(ctx context.Context, opts driver.TxOptions) (_ driver.Tx, err error) {
	if c.state == ended {
		return nil, errEnded
	}
	_, traced := c.from.database.Start(ctx, "BEGIN") // it waits for whoever writes
	defer func() { traced(err) }()
	next := writing
	if opts.ReadOnly {
		next = readOnly
	} else if err := c.acquire(ctx); err != nil {
		return nil, err
	}
	raw, err := c.inner.BeginTx(ctx, opts)
	if err != nil {
		c.release()
		return nil, c.from.explain(err)
	}
	c.state = next
	return &transaction{inner: raw, conn: c, ctx: ctx}, nil
}

// Begin is BeginTx without options.
func (c *conn) Begin() (driver.Tx, error) {
	return c.BeginTx(context.Background(), driver.TxOptions{})
}

type transaction struct {
	inner driver.Tx
	conn  *conn
	ctx   context.Context //nolint:containedctx // its end is traced in what it was begun in
}

// Commit commits, or rolls back and says so when the transaction has ended before.
func (t *transaction) Commit() error {
	if t.conn.state == ended {
		_ = t.Rollback() // the error to return is the one that says what became of the work
		return errEnded
	}
	_, traced := t.conn.from.database.Start(t.ctx, "COMMIT")
	err := t.end(t.inner.Commit())
	traced(err)
	return err
}

// Rollback rolls back, if SQLite has not done so already.
func (t *transaction) Rollback() error {
	_, traced := t.conn.from.database.Start(t.ctx, "ROLLBACK")
	err := t.inner.Rollback()
	traced(nil) // an error of it is the transaction's, told before
	if t.conn.state == ended && isPlainError(err) {
		err = nil
	}
	return t.end(err)
}

// end runs after either end: the engine has rolled back what it could not commit.
func (t *transaction) end(err error) error {
	t.conn.state = none
	t.conn.release()
	return t.conn.from.explain(err)
}

// ExecContext executes one statement or several.
func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	var result driver.Result
	_, traced := c.from.database.Start(ctx, query)
	err := c.guard(ctx, planOf(query), func() (err error) {
		result, err = c.inner.ExecContext(ctx, query, args)
		return err
	})
	traced(err)
	return result, err
}

// QueryContext executes a query. The rows of a statement that writes outside a
// transaction are read ahead, so that it has ended when QueryContext returns.
func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return c.query(ctx, query, planOf(query), func() (driver.Rows, error) { return c.inner.QueryContext(ctx, query, args) })
}

func (c *conn) query(ctx context.Context, text string, p plan, run func() (driver.Rows, error)) (driver.Rows, error) {
	var rows driver.Rows
	_, traced := c.from.database.Start(ctx, text)
	err := c.guard(ctx, p, func() (err error) {
		if rows, err = run(); err == nil && c.state == none && p.writes {
			rows, err = readAhead(rows)
		}
		return err
	})
	if err != nil {
		traced(err)
		return nil, err
	}
	return wrapRows(rows, c, traced), nil
}

// Prepare is PrepareContext without a context.
func (c *conn) Prepare(query string) (driver.Stmt, error) {
	return c.PrepareContext(context.Background(), query)
}

// PrepareContext prepares a statement, which takes the lock when it is executed.
func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	raw, err := c.inner.PrepareContext(ctx, query)
	if err != nil {
		return nil, c.from.explain(err)
	}
	in, ok := raw.(innerStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("sqlite: statements of %T lack an interface this driver needs", raw), raw.Close())
	}
	return &stmt{innerStmt: in, conn: c, text: query, plan: planOf(query)}, nil
}

type innerStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

type stmt struct {
	innerStmt
	conn *conn
	text string
	plan plan
}

// ExecContext executes the statement.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	var result driver.Result
	_, traced := s.conn.from.database.Start(ctx, s.text)
	err := s.conn.guard(ctx, s.plan, func() (err error) {
		result, err = s.innerStmt.ExecContext(ctx, args)
		return err
	})
	traced(err)
	return result, err
}

// QueryContext executes the query, as [conn.QueryContext] does.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.query(ctx, s.text, s.plan, func() (driver.Rows, error) { return s.innerStmt.QueryContext(ctx, args) })
}

// CheckNamedValue converts an argument as database/sql does, and a time to UTC and
// microseconds, so that times compare as text and read back as PostgreSQL has them.
func (c *conn) CheckNamedValue(v *driver.NamedValue) (err error) {
	if v.Value, err = driver.DefaultParameterConverter.ConvertValue(v.Value); err != nil {
		return err
	}
	if t, ok := v.Value.(time.Time); ok {
		v.Value = t.UTC().Truncate(time.Microsecond)
	}
	return nil
}

// Ping asks whether the connection works.
func (c *conn) Ping(ctx context.Context) error { return c.from.explain(c.inner.Ping(ctx)) }

// ResetSession is called before the connection is used again.
func (c *conn) ResetSession(ctx context.Context) error { return c.inner.ResetSession(ctx) }

// IsValid is called before the connection goes back to the pool: one that was left
// in a transaction, or with the lock, does not.
func (c *conn) IsValid() bool { return c.state == none && !c.holds && c.inner.IsValid() }

// Close closes the connection; a transaction left open is rolled back.
func (c *conn) Close() error {
	err := c.inner.Close()
	c.state, c.kept = none, false
	c.release()
	return err
}
