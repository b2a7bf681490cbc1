// Package clock asks the database what time it is. Leases that several replicas
// judge are measured by it, so that no replica's own clock can cut one short.
package clock

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// Queryer is what Now needs of a database; *sql.DB and *sql.Tx have it.
type Queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// Now returns the database's time, by SQL that every engine has. On SQLite it is cut
// to the whole second; on PostgreSQL, in a transaction, it is the time at which that
// began. So it may be behind, and a lease counted from it may end up to a second early.
func Now(ctx context.Context, q Queryer) (time.Time, error) {
	var v any
	if err := q.QueryRowContext(ctx, `SELECT CURRENT_TIMESTAMP`).Scan(&v); err != nil {
		return time.Time{}, fmt.Errorf("the database's time: %w", err)
	}
	switch at := v.(type) {
	case time.Time:
		return at, nil
	case string:
		return time.Parse(time.DateTime, at) // SQLite's form, in UTC
	default:
		return time.Time{}, fmt.Errorf("the database's time: CURRENT_TIMESTAMP is a %T", v)
	}
}

// Milliseconds lets a column of Unix milliseconds be scanned into at, in UTC.
func Milliseconds(at *time.Time) sql.Scanner { return (*milliseconds)(at) }

type milliseconds time.Time

// Scan takes what a database returns for a BIGINT.
func (m *milliseconds) Scan(v any) error {
	ms, ok := v.(int64)
	if !ok {
		return fmt.Errorf("a time in Unix milliseconds is a %T", v)
	}
	*m = milliseconds(time.UnixMilli(ms).UTC())
	return nil
}
