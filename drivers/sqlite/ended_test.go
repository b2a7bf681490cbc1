package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// endings are what makes SQLite end a transaction from within; each returns an error.
func endings() map[string]func(ctx context.Context, w *sql.Tx) error {
	const endless = `WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n) INSERT INTO t (x) SELECT i FROM n`
	run := func(queries ...string) func(ctx context.Context, w *sql.Tx) error {
		return func(ctx context.Context, w *sql.Tx) (err error) {
			for _, q := range queries {
				_, err = w.ExecContext(ctx, q)
			}
			return err
		}
	}
	interrupted := func(run func(ctx context.Context, w *sql.Tx) error) func(ctx context.Context, w *sql.Tx) error {
		return func(ctx context.Context, w *sql.Tx) error {
			ctx, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
			defer cancel()
			return run(ctx, w)
		}
	}
	return map[string]func(ctx context.Context, w *sql.Tx) error{
		"an interrupted write": interrupted(run(endless)),
		"an interrupted write that returns rows": interrupted(func(ctx context.Context, w *sql.Tx) error {
			return w.QueryRowContext(ctx, endless+` RETURNING x`).Scan(new(int))
		}),
		"an interrupted write while rows are read": func(ctx context.Context, w *sql.Tx) error {
			rows, err := w.QueryContext(ctx, `SELECT x FROM t UNION ALL VALUES (1), (2)`)
			if err != nil {
				return err
			}
			defer rows.Close()
			rows.Next()
			return errors.Join(interrupted(run(endless))(ctx, w), rows.Err())
		},
		"OR ROLLBACK": run(`INSERT OR ROLLBACK INTO t (x) VALUES (1)`),
		"a prepared OR ROLLBACK": func(ctx context.Context, w *sql.Tx) error {
			insert, err := w.PrepareContext(ctx, `INSERT OR ROLLBACK INTO t (x) VALUES ($1)`)
			if err != nil {
				return err
			}
			defer insert.Close()
			_, err = insert.ExecContext(ctx, 1)
			return err
		},
		"a full disk":           run(`PRAGMA max_page_count = 1`, `INSERT INTO t (y) VALUES (zeroblob(1000000))`),
		"a ROLLBACK by hand":    run(`ROLLBACK`, `INSERT INTO t (x) VALUES (3)`),
		"a ROLLBACK and a typo": run(`ROLLBACK; SELEKT`),
	}
}

// Nothing of a transaction that SQLite rolled back is committed by itself, and its
// Commit does not say that all went well.
func TestATransactionThatSQLiteEndedCommitsNothingMore(t *testing.T) {
	for name, end := range endings() {
		for _, how := range []string{"rollback", "commit"} {
			t.Run(name+", "+how, func(t *testing.T) {
				db, path := file(t)
				db.SetMaxOpenConns(1)
				exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY, y BLOB)")
				exec(t, db, "INSERT INTO t (x) VALUES (1)")
				w, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					t.Fatal(err)
				}
				exec(t, w, "INSERT INTO t (x) VALUES (2)")
				if end(t.Context(), w) == nil {
					t.Fatal("nothing failed")
				}
				for _, query := range []string{"INSERT INTO t (x) VALUES (3)", "SELECT * FROM t", "BEGIN"} {
					if _, err := w.ExecContext(t.Context(), query); tx.SQLState(err) != "25P02" {
						t.Errorf("%s after the end: %v", query, err)
					}
				}
				if !locked(t, path) {
					t.Error("the lock was given back before the transaction's end")
				}
				if how == "commit" {
					if err := w.Commit(); tx.SQLState(err) != "25P02" {
						t.Errorf("commit: %v", err)
					}
				} else if err := w.Rollback(); err != nil {
					t.Errorf("rollback: %v", err)
				}
				if locked(t, path) {
					t.Error("the lock is held after the transaction's end")
				}
				if n := value[int](t, db, "SELECT sum(x) FROM t"); n != 1 {
					t.Errorf("sum %d, want 1, as before", n)
				}
				exec(t, db, "INSERT INTO t (x) VALUES (4)") // on the same connection
			})
		}
	}
}

// An error that undoes its statement only leaves the transaction as it was.
func TestATransactionOutlivesAFailedStatement(t *testing.T) {
	db, _ := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY)")
	exec(t, db, "INSERT INTO t VALUES (1)")
	w, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, query := range []string{"INSERT INTO t VALUES (2), (1)", "SELECT nothing", "BEGIN", "SAVEPOINT s; INSERT INTO t VALUES (1)", "RELEASE nothing"} {
		if _, err := w.ExecContext(t.Context(), query); err == nil {
			t.Errorf("%s did not fail", query)
		}
		exec(t, w, "INSERT INTO t (x) SELECT max(x) + 1 FROM t")
	}
	exec(t, w, "ROLLBACK TO s")
	exec(t, w, "COMMIT; BEGIN") // it is open again
	if err := w.Commit(); err != nil {
		t.Error(err)
	}
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 4 {
		t.Errorf("%d rows, want 4", n)
	}
}

// Rows that fail while they are read end a transaction like any other statement.
func TestRowsThatFailEndTheTransaction(t *testing.T) {
	db, _ := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY)")
	pooled, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Close()
	err = pooled.Raw(func(raw any) error {
		c := raw.(*conn)
		w, err := c.BeginTx(t.Context(), driver.TxOptions{})
		if err != nil {
			return err
		}
		if _, err := c.ExecContext(t.Context(), "INSERT INTO t VALUES (1), (2); CREATE TABLE new (x)", nil); err != nil {
			return err
		}
		rows, err := c.QueryContext(t.Context(), "SELECT x FROM t", nil)
		if err != nil {
			return err
		}
		// Behind the driver's back, as a failing disk does it; that a table goes makes the rows fail.
		if _, err := c.inner.ExecContext(t.Context(), "ROLLBACK", nil); err != nil {
			return err
		}
		for err == nil {
			err = rows.Next(make([]driver.Value, 1))
		}
		if errors.Is(err, io.EOF) {
			t.Error("the rows did not fail")
		}
		_ = rows.Close() // tells the same error again
		if _, err := c.ExecContext(t.Context(), "INSERT INTO t VALUES (3)", nil); tx.SQLState(err) != "25P02" {
			t.Errorf("a write after the end: %v", err)
		}
		return w.Rollback()
	})
	if err != nil {
		t.Error(err)
	}
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows", n)
	}
}
