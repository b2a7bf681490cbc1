package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"modernc.org/sqlite"

	"github.com/musterdev/muster/data/tx"
)

// file opens a database in a new folder.
func file(t testing.TB) (*sql.DB, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	return reopen(t, path), path
}

// reopen opens one more pool on the same file.
func reopen(t testing.TB, path string) *sql.DB {
	t.Helper()
	db, err := Driver.Open(t.Context(), "sqlite:"+path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return db
}

func exec(t testing.TB, db interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}, query string, args ...any,
) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func value[T any](t testing.TB, db interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string, args ...any,
) T {
	t.Helper()
	var v T
	if err := db.QueryRowContext(t.Context(), query, args...).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

func TestEveryConnectionHasTheSettings(t *testing.T) {
	db, _ := file(t)
	for range 3 { // held open, so that each is another connection
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000"} {
			if got := value[string](t, conn, "PRAGMA "+pragma); got != want {
				t.Errorf("%s = %s, want %s", pragma, got, want)
			}
		}
	}
	if d, err := tx.DialectOf(db); d != tx.SQLite || err != nil {
		t.Errorf("dialect %q, %v", d, err)
	}
	if Driver.Name() != "sqlite" || strings.Join(Driver.Schemes(), " ") != "sqlite" {
		t.Errorf("name %s, schemes %s", Driver.Name(), Driver.Schemes())
	}
}

func TestParseURL(t *testing.T) {
	tests := []struct{ url, path, err string }{
		{"sqlite:data/shop.db", "data/shop.db", ""},
		{"sqlite:/var/lib/shop.db", "/var/lib/shop.db", ""},
		{"sqlite:///var/lib/shop.db", "/var/lib/shop.db", ""},
		{"sqlite:a b#100%.db", "a b#100%.db", ""},
		{"sqlite::memory:", ":memory:", ""},
		{"sqlite:///", "/", ""},
		{"sqlite://data/shop.db", "", "names a host: write sqlite:data/shop.db"},
		{"sqlite:", "", "names no file"},
		{"sqlite:shop.db?mode=ro", "", "has parameters"},
		{"postgres://localhost/shop", "", "not the URL of an SQLite database"},
		{"", "", "not the URL"},
	}
	for _, tc := range tests {
		path, err := parseURL(tc.url)
		if path != tc.path || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("parseURL(%q) = %q, %v; want %q, %q", tc.url, path, err, tc.path, tc.err)
		}
	}
}

func TestStrangeNamesAreTakenLiterally(t *testing.T) {
	folder := t.TempDir()
	for _, name := range []string{"a b.db", "100%.db", "%41.db", "x#y.db", "ü.db", "a&b=c.db", "'.db"} {
		db := reopen(t, filepath.Join(folder, name))
		exec(t, db, "CREATE TABLE t(x)")
		if _, err := os.Stat(filepath.Join(folder, name)); err != nil {
			t.Error(err)
		}
	}
}

func TestLinksLeadToTheSameLock(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "real.db")
	link := filepath.Join(folder, "link.db")
	exec(t, reopen(t, path), "CREATE TABLE t(x)")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	exec(t, reopen(t, link), "INSERT INTO t VALUES (1)")
	if _, err := os.Stat(link + ".lock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a lock file of its own beside the link: %v", err)
	}
}

func TestThePortableTypes(t *testing.T) {
	db, _ := file(t)
	exec(t, db, `CREATE TABLE t (id TEXT PRIMARY KEY, at TIMESTAMPTZ, local TIMESTAMP, ok BOOLEAN, raw BYTEA, price NUMERIC, made TIMESTAMPTZ DEFAULT CURRENT_TIMESTAMP)`)
	berlin := time.FixedZone("CET", 3600)
	at := time.Date(2026, 11, 23, 12, 0, 0, 123456789, berlin)
	exec(t, db, `INSERT INTO t (id, at, local, ok, raw, price) VALUES ($1, $2, $3, $4, $5, $6)`, "a", at, at, true, []byte{0, 1}, 12.5)
	exec(t, db, `INSERT INTO t (id, at) VALUES ($1, $2)`, "b", sql.NullTime{Time: at.Add(-time.Hour), Valid: true})
	exec(t, db, `INSERT INTO t (id, at) VALUES ($1, $2)`, "c", nil)

	var got struct {
		at, local, made time.Time
		ok              bool
		raw             []byte
		price           float64
	}
	err := db.QueryRowContext(t.Context(), `SELECT at, local, made, ok, raw, price FROM t WHERE id = $1`, "a").
		Scan(&got.at, &got.local, &got.made, &got.ok, &got.raw, &got.price)
	if err != nil {
		t.Fatal(err)
	}
	want := at.UTC().Truncate(time.Microsecond)
	for _, g := range []time.Time{got.at, got.local} {
		if !g.Equal(want) || g.Location().String() != "UTC" {
			t.Errorf("a time read as %v, want %v", g, want)
		}
	}
	if time.Since(got.made).Abs() > time.Minute || got.made.Location() != time.UTC {
		t.Errorf("CURRENT_TIMESTAMP read as %v", got.made)
	}
	if !got.ok || string(got.raw) != "\x00\x01" || got.price != 12.5 {
		t.Errorf("got %+v", got)
	}
	if v := value[sql.NullTime](t, db, `SELECT at FROM t WHERE id = 'c'`); v.Valid {
		t.Errorf("NULL read as %v", v)
	}
	if id := value[string](t, db, `SELECT id FROM t WHERE at IS NOT NULL ORDER BY at LIMIT 1`); id != "b" {
		t.Errorf("the earliest is %s, want b", id)
	}
	if id := value[string](t, db, `SELECT id FROM t WHERE at = $1`, at); id != "a" {
		t.Errorf("found %s by its time, want a", id)
	}
}

func TestTimesSortAsText(t *testing.T) {
	db, _ := file(t)
	exec(t, db, `CREATE TABLE t (n INTEGER, at TIMESTAMPTZ)`)
	base := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	steps := []time.Duration{0, 1000, 9000, 10_000, 100_000, 999_000, 1_000_000, 100_000_000, 120_000_000, 999_999_000, 1_000_000_000, 1_500_000_000}
	for i, d := range steps {
		zone := time.FixedZone("", (i%5-2)*3600)
		exec(t, db, `INSERT INTO t VALUES ($1, $2)`, i, base.Add(d).In(zone))
	}
	rows, err := db.QueryContext(t.Context(), `SELECT n FROM t ORDER BY at`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for want := 0; rows.Next(); want++ {
		var n int
		if err := rows.Scan(&n); err != nil || n != want {
			t.Fatalf("place %d holds %d (%v)", want, n, err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Error(err)
	}
}

func TestErrorsHaveSQLStates(t *testing.T) {
	db, path := file(t)
	exec(t, db, `CREATE TABLE p (id INTEGER PRIMARY KEY, u TEXT UNIQUE, n TEXT NOT NULL DEFAULT 'x', c INTEGER CHECK (c > 0), parent INTEGER REFERENCES p)`)
	exec(t, db, `INSERT INTO p (id, u) VALUES (1, 'a')`)
	tests := []struct{ query, state string }{
		{`INSERT INTO p (id) VALUES (1)`, "23505"},
		{`INSERT INTO p (id, u) VALUES (2, 'a')`, "23505"},
		{`INSERT INTO p (id, parent) VALUES (2, 9)`, "23503"},
		{`INSERT INTO p (id, n) VALUES (2, NULL)`, "23502"},
		{`INSERT INTO p (id, c) VALUES (2, 0)`, "23514"},
		{`SELECT nonsense`, ""},
	}
	for _, tc := range tests {
		_, err := db.ExecContext(t.Context(), tc.query)
		if err == nil || tx.SQLState(err) != tc.state {
			t.Errorf("%s: %v has state %q, want %q", tc.query, err, tx.SQLState(err), tc.state)
		}
		if raw := (*sqlite.Error)(nil); !errors.As(err, &raw) {
			t.Errorf("%s: the engine's error is lost in %T", tc.query, err)
		}
	}
	_, err := db.ExecContext(t.Context(), `INSERT INTO p (id) VALUES (1)`)
	if !strings.Contains(err.Error(), "p.id") || strings.Contains(err.Error(), path) {
		t.Errorf("an error of the statement reads %q", err)
	}
}

func TestReadOnlyTransactionsReadASnapshotAndRefuseToWrite(t *testing.T) {
	db, _ := file(t)
	exec(t, db, `CREATE TABLE t (x INTEGER)`)
	err := tx.Read(t.Context(), db, func(_ context.Context, ro *sql.Tx) error {
		before := value[int](t, ro, `SELECT count(*) FROM t`)
		exec(t, db, `INSERT INTO t VALUES (1)`) // would wait forever if the reader held the lock
		if after := value[int](t, ro, `SELECT count(*) FROM t`); after != before {
			t.Errorf("the snapshot moved from %d to %d", before, after)
		}
		for _, query := range []string{`INSERT INTO t VALUES (2)`, `DELETE FROM t RETURNING x`} {
			if _, err := ro.ExecContext(t.Context(), query); tx.SQLState(err) != "25006" {
				t.Errorf("%s: %v", query, err)
			}
			if _, err := ro.QueryContext(t.Context(), query); tx.SQLState(err) != "25006" { //nolint:rowserrcheck,sqlclosecheck // it fails
				t.Errorf("%s as a query: %v", query, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, db, `SELECT count(*) FROM t`); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
}
