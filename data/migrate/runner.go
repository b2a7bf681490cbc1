package migrate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/musterdev/muster/data/tx"
)

// runner applies migrations on one connection, which is thrown away afterwards: a
// migration may have changed its settings.
type runner struct {
	conn    *sql.Conn
	dialect tx.Dialect
	engine  engine
	table   string
	// position finds where in a statement the database saw an error; nil when the
	// driver cannot tell
	position func(error) (character int, ok bool)
}

func (s Set) runner(ctx context.Context, db *sql.DB) (*runner, error) {
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	r := &runner{conn: conn, dialect: dialect, engine: engineOf(dialect), table: s.table()}
	if p, ok := db.Driver().(interface{ ErrorPosition(error) (int, bool) }); ok {
		r.position = p.ErrorPosition
	}
	return r, nil
}

func (r *runner) close() {
	_ = r.conn.Raw(func(any) error { return driver.ErrBadConn }) // the documented way to have it closed
	_ = r.conn.Close()
}

// exists reports whether the version table does.
func (r *runner) exists(ctx context.Context) (yes bool, err error) {
	if err := r.conn.QueryRowContext(ctx, r.engine.exists, r.table).Scan(&yes); err != nil {
		return false, fmt.Errorf("migrate: cannot look for the table %s: %w", r.table, err)
	}
	return yes, nil
}

// createTable makes goose's table as goose does, with its version 0. Goose makes it
// without a lock, so that one may come in between.
func (r *runner) createTable(ctx context.Context) error {
	create := func() error {
		if yes, err := r.exists(ctx); err != nil || yes {
			return err
		}
		if _, err := r.conn.ExecContext(ctx, fmt.Sprintf("CREATE TABLE %s (%s)", r.table, r.engine.columns)); err != nil {
			return err
		}
		return r.record(ctx, 0)
	}
	err := r.transaction(ctx, create)
	// of PostgreSQL's catalog, by the table, its type or its row: it exists by now
	if state := tx.SQLState(err); state == "42P07" || state == "42710" || tx.IsUniqueViolation(err) {
		err = r.transaction(ctx, create)
	}
	if err != nil {
		return fmt.Errorf("migrate: cannot create the table %s: %w", r.table, err)
	}
	return nil
}

func (r *runner) record(ctx context.Context, version int64) error {
	_, err := r.conn.ExecContext(ctx, fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES ($1, $2)", r.table), version, true)
	return err
}

func (r *runner) forget(ctx context.Context, version int64) error {
	_, err := r.conn.ExecContext(ctx, fmt.Sprintf("DELETE FROM %s WHERE version_id = $1", r.table), version)
	return err
}

// applied returns the versions the database has. Of several rows the last counts:
// old releases of goose wrote one more for an undone migration.
func (r *runner) applied(ctx context.Context) (map[int64]Migration, error) {
	if yes, err := r.exists(ctx); err != nil || !yes {
		return nil, err
	}
	rows, err := r.conn.QueryContext(ctx, fmt.Sprintf("SELECT version_id, is_applied, tstamp FROM %s WHERE version_id > 0 ORDER BY id", r.table))
	if err != nil {
		return nil, fmt.Errorf("migrate: cannot read the table %s: %w", r.table, err)
	}
	defer rows.Close()
	applied := map[int64]Migration{}
	for rows.Next() {
		var m Migration
		var at sql.Null[time.Time]
		if err := rows.Scan(&m.Version, &m.Applied, &at); err != nil {
			return nil, fmt.Errorf("migrate: cannot read the table %s: %w", r.table, err)
		}
		m.At = at.V
		if m.Applied {
			applied[m.Version] = m
		} else {
			delete(applied, m.Version)
		}
	}
	return applied, rows.Err()
}

// next applies the first pending file; more is false when there is none.
func (r *runner) next(ctx context.Context, files []file) (more bool, err error) {
	first := func() (*file, error) {
		applied, err := r.applied(ctx)
		if err != nil {
			return nil, err
		}
		pending, err := plan(files, applied)
		if err != nil || len(pending) == 0 {
			return nil, err
		}
		return &pending[0], nil
	}
	f, err := first()
	if err != nil || f == nil {
		return false, err
	}
	if f.noTransaction {
		if err := r.execute(ctx, f, f.up); err != nil {
			return false, err
		}
		return true, r.record(ctx, f.version)
	}
	return true, r.transaction(ctx, func() error {
		// looked up again: with a driver that has no lock to keep, another may have been first
		if f, err = first(); err != nil || f == nil || f.noTransaction {
			return err
		}
		if err := r.execute(ctx, f, f.up); err != nil {
			return err
		}
		return r.record(ctx, f.version)
	})
}

// down undoes the highest applied version.
func (r *runner) down(ctx context.Context, files []file) error {
	applied, err := r.applied(ctx)
	if err != nil {
		return err
	}
	var last int64
	for version := range applied {
		last = max(last, version)
	}
	if last == 0 {
		return errors.New("migrate: no migration is applied: there is nothing to undo")
	}
	for i := range files {
		f := &files[i]
		switch {
		case f.version != last:
		case !f.hasDown:
			return wrong(f.name, 0, "write what undoes it, or restore a backup", `there is no "-- +goose Down"`)
		case f.noTransaction:
			if err := r.execute(ctx, f, f.down); err != nil {
				return err
			}
			return r.forget(ctx, last)
		default:
			return r.transaction(ctx, func() error {
				if err := r.execute(ctx, f, f.down); err != nil {
					return err
				}
				return r.forget(ctx, last)
			})
		}
	}
	return fmt.Errorf("migrate: version %d, the last applied, has no file here: undo it with the release that brought it", last)
}

// execute runs the statements of one file.
func (r *runner) execute(ctx context.Context, f *file, statements []statement) error {
	for i, s := range statements {
		_, err := r.conn.ExecContext(ctx, s.sql)
		if err == nil {
			continue
		}
		e := &Error{File: f.name, Line: s.line, Statement: s.sql, Err: err}
		if r.position != nil {
			if n, ok := r.position(err); ok {
				e.Line, e.Column = locate(s, n)
			}
		}
		switch {
		case i == 0:
		case f.noTransaction:
			e.Hint = fmt.Sprintf("the %d statements before it stay, for the file says NO TRANSACTION: undo or finish them by hand", i)
		case r.engine.keeps:
			e.Hint = fmt.Sprintf("the %d statements before it stay if one of them changed the schema, for this engine cannot take that back: undo or finish them by hand", i)
		}
		return e
	}
	return nil
}

// locate turns the place of a character in a statement, 1 is the first, into a
// line and column of its file.
func locate(s statement, character int) (line, column int) {
	line, column = s.line, 1
	rest := s.sql
	for ; character > 1 && rest != ""; character-- {
		c, size := utf8.DecodeRuneInString(rest)
		rest = rest[size:]
		if column++; c == '\n' {
			line, column = line+1, 1
		}
	}
	return line, column
}

// transaction runs fn in a transaction begun by hand: SQLite's must have the write
// lock from its beginning, whatever the driver's default is.
func (r *runner) transaction(ctx context.Context, fn func() error) error {
	if _, err := r.conn.ExecContext(ctx, r.engine.begin); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		if _, err = r.conn.ExecContext(ctx, "COMMIT"); err == nil {
			return nil
		}
	}
	_, _ = r.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK") // else the end of the connection does it
	return err
}
