package dbtest

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
)

// Fake answers the statements of a database that is not there: to provoke failures,
// and for time that testing/synctest makes. It gets a statement in one line. A query is
// answered with one row of the values it returns, or none; any other statement has
// affected as many rows as the first value says, 0 without one.
type Fake func(statement string) (row []driver.Value, err error)

// Pool returns connections to the fake. It is closed when t ends.
func (f Fake) Pool(t testing.TB) *sql.DB {
	t.Helper()
	db := sql.OpenDB(f)
	t.Cleanup(func() { _ = db.Close() }) // nothing of it can fail
	return db
}

// Dialect names the engine that the fake stands for.
func (f Fake) Dialect() string { return "sqlite" }

// Connect makes a connection.
func (f Fake) Connect(context.Context) (driver.Conn, error) { return fakeConn{f}, nil }

// Open makes a connection.
func (f Fake) Open(string) (driver.Conn, error) { return fakeConn{f}, nil }

// Driver returns the fake.
func (f Fake) Driver() driver.Driver { return f }

type fakeConn struct{ fake Fake }

func (c fakeConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("fake: not prepared") }
func (c fakeConn) Close() error                        { return nil }
func (c fakeConn) Begin() (driver.Tx, error)           { return c, c.do("BEGIN") }
func (c fakeConn) Commit() error                       { return c.do("COMMIT") }
func (c fakeConn) Rollback() error                     { return c.do("ROLLBACK") }

func (c fakeConn) do(statement string) error {
	_, err := c.fake(statement)
	return err
}

func (c fakeConn) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	row, err := c.fake(line(query))
	n := int64(0)
	if len(row) > 0 {
		n, _ = row[0].(int64)
	}
	return driver.RowsAffected(n), err
}

func (c fakeConn) QueryContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Rows, error) {
	row, err := c.fake(line(query))
	if err != nil {
		return nil, err
	}
	return &fakeRows{row}, nil
}

func line(query string) string { return strings.Join(strings.Fields(query), " ") }

type fakeRows struct{ row []driver.Value }

func (r *fakeRows) Columns() []string { return make([]string, len(r.row)) }
func (r *fakeRows) Close() error      { return nil }

func (r *fakeRows) Next(dest []driver.Value) error {
	if len(r.row) == 0 {
		return io.EOF
	}
	copy(dest, r.row)
	r.row = nil
	return nil
}
