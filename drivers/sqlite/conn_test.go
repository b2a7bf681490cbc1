package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// locked reports whether somebody holds the write lock of db's file.
func locked(t *testing.T, path string) bool {
	t.Helper()
	f, err := openLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	got, err := f.tryLock()
	if err != nil {
		t.Fatal(err)
	}
	return !got
}

func TestTheLockIsHeldForAWriteTransactionOnly(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY)")
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	steps := []struct {
		query string
		held  bool // after the statement
		fails bool
	}{
		{"INSERT INTO t VALUES (1)", false, false},
		{"INSERT INTO t VALUES (1)", false, true},
		{"SELECT * FROM t", false, false},
		{"BEGIN", true, false},
		{"BEGIN", true, true},
		{"SELECT * FROM t", true, false},
		{"INSERT INTO t VALUES (2)", true, false},
		{"SAVEPOINT s", true, false},
		{"ROLLBACK TO s", true, false},
		{"RELEASE s", true, false},
		{"INSERT INTO t VALUES (1)", true, true}, // the transaction goes on
		{"COMMIT", false, false},
		{"COMMIT", false, true},
		{"SAVEPOINT outer", true, false},
		{"SAVEPOINT inner", true, false},
		{"RELEASE inner", true, false},
		{"RELEASE outer", false, false},
		{"BEGIN IMMEDIATE", true, false},
		{"INSERT OR ROLLBACK INTO t VALUES (1)", false, true}, // SQLite ended it
		{"BEGIN; INSERT INTO t VALUES (3); COMMIT", false, false},
		{"BEGIN; INSERT INTO t VALUES (4)", true, false},
		{"ROLLBACK", false, false},
		{"BEGIN; INSERT INTO t VALUES (1); COMMIT", true, true}, // it came half-way
		{"ROLLBACK", false, false},
	}
	for i, s := range steps {
		_, err := conn.ExecContext(t.Context(), s.query)
		if (err != nil) != s.fails {
			t.Fatalf("step %d %s: %v", i, s.query, err)
		}
		if got := locked(t, path); got != s.held {
			t.Fatalf("step %d %s: locked %t, want %t", i, s.query, got, s.held)
		}
	}
	if n := value[int](t, db, "SELECT sum(x) FROM t"); n != 6 {
		t.Errorf("sum %d, want 1+2+3", n)
	}
}

func TestTransactionsOfDatabaseSQLHoldTheLock(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY, y INTEGER REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := map[string]func(*sql.Tx) error{
		"commit":   (*sql.Tx).Commit,
		"rollback": (*sql.Tx).Rollback,
		"failing commit": func(w *sql.Tx) error {
			exec(t, w, "INSERT INTO t VALUES (1, 99)")
			if err := w.Commit(); tx.SQLState(err) != "23503" {
				t.Errorf("commit against a deferred constraint: %v", err)
			}
			return nil
		},
		"canceled": func(w *sql.Tx) error {
			cancel()
			for w.Commit() == nil {
				t.Fatal("committed after its context ended")
			}
			return nil
		},
	}
	for _, name := range []string{"commit", "rollback", "failing commit", "canceled"} {
		w, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(name, err)
		}
		if !locked(t, path) {
			t.Errorf("%s: a write transaction without the lock", name)
		}
		if err := ends[name](w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		waitFor(t, name+": the lock to be free", func() bool { return !locked(t, path) })
	}
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows, want none", n)
	}
}

// waitFor waits until something becomes true that another goroutine brings about.
func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !done(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain for " + what)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestAConnectionLeftInATransactionIsNotUsedAgain(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x)")
	for _, leave := range []string{"BEGIN", "SAVEPOINT s", "BEGIN; INSERT INTO t VALUES (1)"} {
		exec(t, db, leave) // its connection goes back to the pool
		if locked(t, path) {
			t.Errorf("%s: the lock stayed with an abandoned connection", leave)
		}
		exec(t, db, "DELETE FROM t")
	}
	if n := value[int](t, db, "SELECT count(*) FROM t"); n != 0 {
		t.Errorf("%d rows of abandoned transactions", n)
	}
}

func TestWritesThatReturnRows(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY, at TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP)")
	rows, err := db.QueryContext(t.Context(), "INSERT INTO t (x) VALUES (1), (2), (3) RETURNING x, at")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if locked(t, path) {
		t.Error("the statement holds the lock after Query returned")
	}
	exec(t, db, "INSERT INTO t (x) VALUES (4)") // from within the loop, as PostgreSQL lets one do
	types, err := rows.ColumnTypes()
	if err != nil || types[1].DatabaseTypeName() != "TIMESTAMPTZ" {
		t.Errorf("column types %v, %v", types, err)
	}
	sum := 0
	for rows.Next() {
		var x int
		var at time.Time
		if err := rows.Scan(&x, &at); err != nil || at.IsZero() {
			t.Fatal(err, at)
		}
		sum += x
	}
	if err := rows.Err(); err != nil || sum != 6 {
		t.Errorf("sum %d, %v", sum, err)
	}
	if x := value[int](t, db, "DELETE FROM t WHERE x = $1 RETURNING x", 4); x != 4 {
		t.Errorf("returned %d", x)
	}
	err = db.QueryRowContext(t.Context(), "INSERT INTO t (x) VALUES (1) RETURNING x").Scan(new(int))
	if !tx.IsUniqueViolation(err) || locked(t, path) {
		t.Errorf("%v, locked %t", err, locked(t, path))
	}
}

func TestPreparedStatementsTakeTheLock(t *testing.T) {
	db, path := file(t)
	exec(t, db, "CREATE TABLE t (x INTEGER PRIMARY KEY)")
	insert, err := db.PrepareContext(t.Context(), "INSERT INTO t VALUES ($1) RETURNING x")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	if _, err := insert.ExecContext(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := insert.QueryRowContext(t.Context(), 2).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	hold, err := openLockFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer hold.close()
	if err := hold.lock(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := insert.ExecContext(ctx, 3); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "write lock of "+path) {
		t.Errorf("beside another holder: %v", err)
	}
	read, err := db.PrepareContext(t.Context(), "SELECT count(*) FROM t")
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	var n int
	if err := read.QueryRowContext(t.Context()).Scan(&n); err != nil || n != 2 { // would wait if it took the lock
		t.Errorf("read %d, %v", n, err)
	}
}

func TestKeepWriteLock(t *testing.T) {
	db, path := file(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var release func()
	err = conn.Raw(func(raw any) (err error) {
		release, err = raw.(interface {
			KeepWriteLock(ctx context.Context) (func(), error)
		}).KeepWriteLock(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	exec(t, conn, "CREATE TABLE t (x)")
	exec(t, conn, "BEGIN; INSERT INTO t VALUES (1); COMMIT")
	w, err := conn.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, w, "INSERT INTO t VALUES (2)")
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	if !locked(t, path) {
		t.Error("the lock was lost between the statements")
	}
	release()
	if locked(t, path) {
		t.Error("the lock was kept after its release")
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestManyWritersAndReaders(t *testing.T) {
	db, _ := file(t)
	exec(t, db, "CREATE TABLE t (n INTEGER)")
	exec(t, db, "INSERT INTO t VALUES (0)")
	const writers, each = 24, 20
	errs := make(chan error, writers)
	for range writers {
		go func() {
			for range each {
				err := tx.Do(t.Context(), db, func(ctx context.Context, w *sql.Tx) error {
					var n int // read, then write: what fails when BEGIN takes no lock
					if err := w.QueryRowContext(ctx, "SELECT n FROM t").Scan(&n); err != nil {
						return err
					}
					_, err := w.ExecContext(ctx, "UPDATE t SET n = $1", n+1)
					return err
				})
				if err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	for range writers {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := value[int](t, db, "SELECT n FROM t"); n != writers*each {
		t.Errorf("counted %d of %d", n, writers*each)
	}
}

func TestTheEnginesConnectionIsReachable(t *testing.T) {
	db, _ := file(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(raw any) error {
		inner := raw.(interface{ Unwrap() driver.Conn }).Unwrap()
		if _, ok := inner.(interface{ Serialize() ([]byte, error) }); !ok {
			t.Errorf("%T is not the engine's connection", inner)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Driver().Open("x"); err == nil || !strings.Contains(err.Error(), "sqlite.Driver.Open") {
		t.Errorf("opening a bare connection: %v", err)
	}
}
