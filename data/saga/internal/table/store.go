// Package table is the rows of sagas and every statement about them. Its clock is the
// database's: those of replicas differ.
package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/data/group"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Lease is how long a saga is its holder's after each sign of it.
const Lease = 4 * time.Second

// Table speaks to the tables of one database. It is safe for concurrent use.
type Table struct {
	db      *sql.DB
	dialect tx.Dialect
	said    statements
	moves   group.Lane[*Move]
	starts  group.Lane[*Row]
	clashes atomic.Int32 // how many groups that begin are to be wary
}

// Of returns the tables in db.
func Of(db *sql.DB) (*Table, error) {
	if db == nil {
		return nil, ErrNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return nil, err
	}
	s := &Table{db: db, dialect: dialect}
	s.said = s.statements()
	s.moves.Flush, s.starts.Flush = s.flushMoves, s.flushStarts
	return s, nil
}

// ErrNoDB says that there is no database.
var ErrNoDB = errors.New("saga: the database is nil: open it before")

// sql writes the clock, the lease and what SQLite does not know into a statement.
func (s *Table) sql(query string) string {
	lock, skip := "FOR UPDATE", "FOR UPDATE SKIP LOCKED"
	now := "(SELECT " + s.dialect.Now() + ")" // evaluated once, so that an index can serve it
	switch s.dialect {
	case tx.SQLite: // it has one writer at a time
		lock, skip = "", ""
	case tx.MySQL:
		now = started
	}
	return strings.NewReplacer(
		"NOW", now,
		"LEASE", strconv.FormatInt(Lease.Milliseconds(), 10),
		"SKIP", skip, "LOCK", lock,
		"COLUMNS", `name, id, version, state, undoing, step, attempts, faults, doubt, data, fence, owner,
			CASE WHEN owner <> '' AND leased_until > `+s.dialect.Now()+` THEN 1 ELSE 0 END, reason, error, trace_parent, leased_until, next_at, created, updated, lost, seq`,
	).Replace(query)
}

// The values of the column doubt.
const (
	doubtful  = 1
	abandoned = 2 // its last holder let go in the middle: a Remote step is in doubt, a Local one is not
)

// scan reads COLUMNS.
func scan(from interface{ Scan(dest ...any) error }) (r Row, err error) {
	var undoing, held, doubt int
	err = from.Scan(&r.Name, &r.ID, &r.Version, &r.State, &undoing, &r.Step, &r.Attempts, &r.Faults, &doubt, &r.Data, &r.Fence, &r.Owner,
		&held, &r.Reason, &r.Err, &r.Trace, &r.Leased, &r.Next, &r.Created, &r.Changed, &r.Lost, &r.Seq)
	r.Undoing, r.Held, r.Doubt, r.Abandoned = undoing == 1, held == 1, doubt == doubtful, doubt == abandoned
	return r, explain(err)
}

// Lock reads a saga and, where the engine below can, keeps others from it.
func (s *Table) Lock(ctx context.Context, t tx.Tx, name, id string) (Row, error) {
	r, err := scan(t.QueryRowContext(ctx, s.sql(`SELECT COLUMNS FROM muster_saga WHERE name = $1 AND id = $2 LOCK`), name, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotFound
	}
	return r, err
}

// Hold makes sure that a saga is still its holder's, and keeps others from it until the
// transaction ends.
func (s *Table) Hold(ctx context.Context, t tx.Tx, r Row) error {
	var fence int64
	err := t.QueryRowContext(ctx, s.said.hold, r.Name, r.ID).Scan(&fence)
	if errors.Is(err, sql.ErrNoRows) || err == nil && fence != r.Fence {
		return ErrLost
	}
	return explain(err)
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// explain says what to do about an error of the database, where that is known.
func explain(err error) error {
	var known *problem.Error
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case Missing(err):
		return fmt.Errorf("saga: the table muster_saga is missing: call saga.Migrate before: %w", err)
	}
	return fmt.Errorf("saga: %w", err)
}

// Missing reports whether a statement failed because nobody has called Migrate.
func Missing(err error) bool { return migrate.Missing(err, "muster_saga") }
