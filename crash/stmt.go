package crash

import (
	"context"
	"database/sql/driver"
	"errors"
)

// stmt is a prepared statement.
type stmt struct {
	driver.Stmt
	conn  *conn
	query string
}

var (
	_ driver.StmtExecContext   = (*stmt)(nil)
	_ driver.StmtQueryContext  = (*stmt)(nil)
	_ driver.NamedValueChecker = (*stmt)(nil)
)

// ExecContext executes the statement.
func (s *stmt) ExecContext(ctx context.Context, args []driver.NamedValue) (result driver.Result, err error) {
	err = s.conn.statement(s.query, func() (err error) {
		if in, ok := s.Stmt.(driver.StmtExecContext); ok {
			result, err = in.ExecContext(ctx, args)
			return err
		}
		values, err := positional(args)
		if err == nil {
			result, err = s.Exec(values) // an older driver has nothing else
		}
		return err
	})
	return result, err
}

// QueryContext executes the query.
func (s *stmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return s.conn.rows(s.query, func() (driver.Rows, error) {
		if in, ok := s.Stmt.(driver.StmtQueryContext); ok {
			return in.QueryContext(ctx, args)
		}
		values, err := positional(args)
		if err != nil {
			return nil, err
		}
		return s.Query(values)
	})
}

// CheckNamedValue asks the statement below, or else its connection.
func (s *stmt) CheckNamedValue(v *driver.NamedValue) error {
	if in, ok := s.Stmt.(driver.NamedValueChecker); ok {
		return in.CheckNamedValue(v)
	}
	return s.conn.CheckNamedValue(v)
}

func positional(args []driver.NamedValue) ([]driver.Value, error) {
	values := make([]driver.Value, len(args))
	for i, a := range args {
		if a.Name != "" {
			return nil, errors.New("crash: the driver below knows no named arguments")
		}
		values[i] = a.Value
	}
	return values, nil
}
