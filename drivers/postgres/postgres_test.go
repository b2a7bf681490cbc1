package postgres_test

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func open(t *testing.T) *sql.DB {
	t.Helper()
	db, err := postgres.Driver.Open(t.Context(), pgtest.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func TestOpen(t *testing.T) {
	db := open(t)
	if d, err := tx.DialectOf(db); err != nil || d != tx.Postgres {
		t.Errorf("dialect %q, %v", d, err)
	}
	var n int
	if err := db.QueryRowContext(t.Context(), "SELECT $1::int + 1", 41).Scan(&n); err != nil || n != 42 {
		t.Errorf("%d, %v", n, err)
	}
}

// Databases of two tests never see one another.
func TestDatabasesAreSeparate(t *testing.T) {
	for range 2 {
		if _, err := open(t).ExecContext(t.Context(), "CREATE TABLE mine (id int)"); err != nil {
			t.Error(err)
		}
	}
}

// Two transactions that would both be right alone: PostgreSQL ends one of them with
// a code that package tx understands.
func TestRetryableAndUnique(t *testing.T) {
	db := open(t)
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id int PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(ctx, "INSERT INTO t VALUES (1)"); !tx.IsUniqueViolation(err) {
		t.Errorf("err = %v, want a unique violation", err)
	}
	var mu sync.Mutex
	var errs []error
	var both, done sync.WaitGroup
	both.Add(2)
	for range 2 {
		done.Go(func() {
			err := func() error {
				tr, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
				if err != nil {
					both.Done()
					return err
				}
				defer func() { _ = tr.Rollback() }()
				var n int
				err = tr.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n)
				both.Done()
				both.Wait()
				if err != nil {
					return err
				}
				if _, err := tr.ExecContext(ctx, "INSERT INTO t SELECT max(id) + 100 * $1 + pg_backend_pid() FROM t", n); err != nil {
					return err
				}
				return tr.Commit()
			}()
			mu.Lock()
			errs = append(errs, err)
			mu.Unlock()
		})
	}
	done.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !tx.IsRetryable(errs[0]) && !tx.IsRetryable(errs[1]) {
		t.Errorf("errs = %v, want one success and one that may be retried", errs)
	}
}

func TestBadDatabases(t *testing.T) {
	good := pgtest.Database(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	_ = l.Close()
	for name, test := range map[string]struct{ url, want string }{
		"no URL":      {"postgres://user:secret@host:notaport/x", "is no PostgreSQL URL"},
		"no server":   {fmt.Sprintf("postgres://me:secret@%s/x", nobody), "no server answers there"},
		"no database": {good[:strings.LastIndex(good, "/")] + "/nowhere", "create it, or correct the URL"},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // Open would wait 5 s for a server that starts
			defer cancel()
			_, err := postgres.Driver.Open(ctx, test.url)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
				t.Errorf("err = %v, want one line with %q and no password", err, test.want)
			}
		})
	}
}

func TestOpenIsCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Driver.Open(ctx, pgtest.Database(t)); err == nil {
		t.Error("Open took no notice of its context")
	}
}
