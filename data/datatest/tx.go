package datatest

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/tx"
)

func runTx(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"values come back alike":        txValues,
		"read and write without losses": txCounter,
	})
}

// runTransactions is what is said alike on every engine.
func runTransactions(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"all or nothing":             txAllOrNothing,
		"a snapshot to read":         txSnapshot,
		"errors have the same codes": txStates,
		"again":                      txAgain,
	})
}

func txAllOrNothing(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Execute(t, db, "CREATE TABLE t (x INTEGER)")
	boom := errors.New("boom")
	insert := func(end func() error) error {
		return tx.Do(t.Context(), db, func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO t VALUES ($1)", 1)
			return errors.Join(err, end())
		})
	}
	if err := insert(func() error { return boom }); !errors.Is(err, boom) {
		t.Error(err)
	}
	func() {
		defer func() { dbtest.Want(t, "panic", recover(), any("ouch")) }()
		_ = insert(func() error { panic("ouch") })
	}()
	canceled, cancel := context.WithCancel(t.Context())
	err := tx.Do(canceled, db, func(ctx context.Context, tx *sql.Tx) error {
		dbtest.Execute(t, tx, "INSERT INTO t VALUES (2)")
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("committed under a canceled context: %v", err)
	}
	dbtest.Want(t, "rows before a commit", dbtest.Value[int](t, db, "SELECT count(*) FROM t"), 0)
	dbtest.Succeed(t, insert(func() error { return nil }))
	dbtest.Want(t, "rows after it", dbtest.Value[int](t, open(), "SELECT count(*) FROM t"), 1)
}

func txSnapshot(t *testing.T, open func() *sql.DB) {
	db, other := open(), open()
	dbtest.Execute(t, db, "CREATE TABLE t (x INTEGER)")
	dbtest.Succeed(t, tx.Read(t.Context(), db, func(_ context.Context, ro *sql.Tx) error {
		dbtest.Want(t, "rows at first", dbtest.Value[int](t, ro, "SELECT count(*) FROM t"), 0)
		dbtest.Execute(t, other, "INSERT INTO t VALUES (1)")
		dbtest.Want(t, "rows later", dbtest.Value[int](t, ro, "SELECT count(*) FROM t"), 0)
		return nil
	}))
	err := tx.Read(t.Context(), db, func(ctx context.Context, ro *sql.Tx) error {
		dbtest.Want(t, "rows in the next", dbtest.Value[int](t, ro, "SELECT count(*) FROM t"), 1)
		_, err := ro.ExecContext(ctx, "DELETE FROM t")
		return err
	})
	dbtest.Want(t, "code of a write", tx.SQLState(err), "25006")
	dbtest.Succeed(t, tx.Do(t.Context(), db, func(_ context.Context, w *sql.Tx) error {
		dbtest.Execute(t, w, "DELETE FROM t")
		dbtest.Want(t, "rows seen beside an open transaction", dbtest.Value[int](t, other, "SELECT count(*) FROM t"), 1)
		return nil
	}))
}

func txStates(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Execute(t, db, "CREATE TABLE p (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n TEXT NOT NULL, c INTEGER CHECK (c > 0))")
	dbtest.Execute(t, db, "CREATE TABLE f (id INTEGER PRIMARY KEY, p INTEGER REFERENCES p (id))")
	dbtest.Execute(t, db, "INSERT INTO p VALUES (1, 'a', 'x', 1)")
	dbtest.Execute(t, db, "INSERT INTO f VALUES (1, 1)")
	for query, state := range map[string]string{
		"INSERT INTO p VALUES (1, 'b', 'x', 1)":  "23505",
		"INSERT INTO p VALUES (2, 'a', 'x', 1)":  "23505",
		"INSERT INTO f VALUES (2, 9)":            "23503",
		"DELETE FROM p WHERE id = 1":             "23503",
		"INSERT INTO p VALUES (2, 'b', NULL, 1)": "23502",
		"INSERT INTO p VALUES (2, 'b', 'x', 0)":  "23514",
	} {
		_, err := db.ExecContext(t.Context(), query)
		dbtest.Want(t, query, tx.SQLState(err), state)
	}
}

func txValues(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Execute(t, db, "CREATE TABLE t (id TEXT PRIMARY KEY, n BIGINT, f DOUBLE PRECISION, b BOOLEAN, at TIMESTAMPTZ, made TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP)")
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	dbtest.Execute(t, db, "INSERT INTO t (id, n, f, b, at) VALUES ($1, $2, $3, $4, $5)", "ä", int64(1)<<60, 0.5, true, at)
	dbtest.Execute(t, db, "INSERT INTO t (id) VALUES ($1)", "null")
	var n int64
	var f float64
	var b bool
	var back, made time.Time
	dbtest.Succeed(t, db.QueryRowContext(t.Context(), "SELECT n, f, b, at, made FROM t WHERE at = $1 AND id = $2", at, "ä").Scan(&n, &f, &b, &back, &made))
	dbtest.Want(t, "integer", n, 1<<60)
	dbtest.Want(t, "float", f, 0.5)
	dbtest.Want(t, "boolean", b, true)
	dbtest.Want(t, "time", back.Format(time.RFC3339Nano), "2026-11-23T11:00:00.123456Z")
	dbtest.Want(t, "location of CURRENT_TIMESTAMP", made.Location().String(), "UTC")
	dbtest.Want(t, "null", dbtest.Value[sql.NullTime](t, db, "SELECT at FROM t WHERE id = $1", "null").Valid, false)
}

func txCounter(t *testing.T, open func() *sql.DB) {
	const workers, times = 8, 10
	pools := []*sql.DB{open(), open()}
	dbtest.Execute(t, pools[0], "CREATE TABLE t (n INTEGER)")
	dbtest.Execute(t, pools[0], "INSERT INTO t VALUES (0)")
	dbtest.Together(workers, func(i int) {
		for range times {
			err := tx.Do(t.Context(), pools[i%len(pools)], func(ctx context.Context, tx *sql.Tx) error {
				var n int
				if err := tx.QueryRowContext(ctx, "UPDATE t SET n = n + 1 RETURNING n").Scan(&n); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, "UPDATE t SET n = $1", n)
				return err
			})
			if err != nil {
				t.Error(err)
				return
			}
		}
	})
	dbtest.Want(t, "counter", dbtest.Value[int](t, pools[0], "SELECT n FROM t"), workers*times)
}

// txAgain: what failed only because of others is run again, three times in all, and nothing else is.
func txAgain(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Execute(t, db, "CREATE TABLE t (n INTEGER)")
	for _, tc := range []struct {
		err   error
		fails int // of its tries
		tries int
		rows  int
	}{
		{busy{}, 0, 1, 1}, {busy{}, 2, 3, 1}, {busy{}, 9, 3, 0}, {errors.New("its own"), 9, 1, 0},
	} {
		dbtest.Execute(t, db, "DELETE FROM t")
		tries := 0
		err := tx.Again(t.Context(), db, func(ctx context.Context, r *sql.Tx) error {
			tries++
			if _, err := r.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil || tries > tc.fails {
				return err
			}
			return tc.err
		})
		if tries != tc.tries || (err == nil) != (tc.rows == 1) {
			t.Errorf("%v %d times: %d tries and %v", tc.err, tc.fails, tries, err)
		}
		dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM t"), tc.rows)
	}
}

// busy is the error of who met another.
type busy struct{}

func (busy) Error() string    { return "met another" }
func (busy) SQLState() string { return "40001" }
