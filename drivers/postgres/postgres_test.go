package postgres_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func open(t *testing.T, url string) *sql.DB {
	t.Helper()
	db, err := postgres.Driver.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // a test that ends leaves nothing to lose
	return db
}

func TestOpen(t *testing.T) {
	url := pgtest.Database(t)
	db := open(t, url)
	if d, err := tx.DialectOf(db); err != nil || d != tx.Postgres {
		t.Errorf("dialect %q, %v", d, err)
	}
	if postgres.Driver.Name() != "postgres" || strings.Join(postgres.Driver.Schemes(), " ") != "postgres postgresql" {
		t.Errorf("name %s, schemes %s", postgres.Driver.Name(), postgres.Driver.Schemes())
	}
	if n := db.Stats().MaxOpenConnections; n != 10 {
		t.Errorf("%d connections at most, want 10", n)
	}
	if n := open(t, url+"&pool_max_conns=3").Stats().MaxOpenConnections; n != 3 {
		t.Errorf("%d connections at most, want the 3 of the URL", n)
	}
	for _, query := range []string{"SELECT now()", "SELECT '2026-01-02 03:04:05+05'::timestamptz"} {
		var at time.Time
		if err := db.QueryRowContext(t.Context(), query).Scan(&at); err != nil || at.Location() != time.UTC {
			t.Errorf("%s is %v, %v; want UTC", query, at, err)
		}
	}
}

// Databases of two tests never see one another.
func TestDatabasesAreSeparate(t *testing.T) {
	for range 2 {
		if _, err := open(t, pgtest.Database(t)).ExecContext(t.Context(), "CREATE TABLE mine (id int)"); err != nil {
			t.Error(err)
		}
	}
}

// Two transactions that would both be right alone: PostgreSQL ends one of them with
// a code that package tx understands.
func TestSerializationFailuresAreRetryable(t *testing.T) {
	db := open(t, pgtest.Database(t))
	ctx := t.Context()
	if _, err := db.ExecContext(ctx, "CREATE TABLE t (id int PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 2)
	var read, done sync.WaitGroup
	read.Add(2)
	for i := range errs {
		done.Go(func() {
			errs[i] = func() error {
				tr, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable})
				if err != nil {
					read.Done()
					return err
				}
				defer func() { _ = tr.Rollback() }() // after a commit it does nothing
				var n int
				err = tr.QueryRowContext(ctx, "SELECT count(*) FROM t").Scan(&n)
				read.Done()
				read.Wait()
				if err != nil {
					return err
				}
				if _, err := tr.ExecContext(ctx, "INSERT INTO t VALUES ($1)", i); err != nil {
					return err
				}
				return tr.Commit()
			}()
		})
	}
	done.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !tx.IsRetryable(errors.Join(errs...)) {
		t.Errorf("errors %v, want one success and one that may be retried", errs)
	}
}

func TestMigrationErrorsHaveTheirPlace(t *testing.T) {
	db := open(t, pgtest.Database(t))
	fsys := fstest.MapFS{"00001_a.sql": {Data: []byte("-- +goose Up\n-- the first\nCREATE TABLE a (\n  ä text,\n  x nonsense\n);\n")}}
	err := migrate.Run(t.Context(), db, fsys)
	if err == nil || !strings.HasPrefix(err.Error(), "00001_a.sql:5:5: ") {
		t.Errorf("%v, want it at 00001_a.sql:5:5", err)
	}
	if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "42704" {
		t.Errorf("the server's error is lost in %v", err)
	}
}

// nobody returns an address at which nothing listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestABadDatabaseIsOneClearLine(t *testing.T) {
	good := pgtest.Database(t)
	base := good[:strings.LastIndex(good, "/")]
	_, host, _ := strings.Cut(base, "@")
	db := open(t, good)
	for _, statement := range []string{"DROP ROLE IF EXISTS locked", "CREATE ROLE locked NOLOGIN"} { // roles outlive databases
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		url  string
		want []string
	}{
		"port":          {"postgres://user:secret@host:notaport/x", []string{"cannot be read: write postgres://USER:PASSWORD@HOST"}},
		"bad setting":   {"postgres://user:secret@host/x?sslmode=sometimes", []string{"postgres://user:xxxxx@host/x", "sslmode is invalid", "is not the URL of a PostgreSQL database"}},
		"password":      {"postgres://host/x?password=secret&sslmode=sometimes", []string{"is not the URL of a PostgreSQL database"}},
		"bad pool":      {good + "&pool_max_conns=many", []string{"pool_max_conns=many", "write a number from 1 to 1000"}},
		"no server":     {"postgres://me:secret@" + nobody(t) + "/x", []string{`database "x" at 127.0.0.1:`, `user "me"`, "connection refused", "start the server, or correct the URL"}},
		"no socket":     {"postgres:///x?host=/nowhere&user=me", []string{`database "x" at /nowhere as user "me"`, "start the server, or correct the URL"}},
		"no database":   {base + "/nowhere?sslmode=disable", []string{`database "nowhere" at ` + host, "does not exist", "create it, or correct the URL"}},
		"no role":       {strings.Replace(good, "muster@", "stranger:secret@", 1), []string{`user "stranger"`, `role "stranger" does not exist`, "correct the user"}},
		"no right":      {strings.Replace(good, "muster@", "locked:secret@", 1), []string{`user "locked"`, "not permitted to log in", "correct the user"}},
		"no encryption": {strings.Replace(good, "sslmode=disable", "sslmode=require", 1), []string{"database", "TLS"}},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond) // Open would wait 5 s for a server that starts
			defer cancel()
			_, err := postgres.Driver.Open(ctx, tc.url)
			if err == nil {
				t.Fatal("it opened")
			}
			for _, want := range append(tc.want, "postgres: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q is more than a line, or tells the password", err)
			}
		})
	}
}

func TestOpenIsCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := postgres.Driver.Open(ctx, pgtest.Database(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("Open took no notice of its context: %v", err)
	}
}

// A server that begins to listen while Open asks is waited for.
func TestOpenWaitsForAServerThatStarts(t *testing.T) {
	url := pgtest.Database(t)
	_, rest, _ := strings.Cut(url, "@")
	server, _, _ := strings.Cut(rest, "/")
	address := nobody(t)
	opened := make(chan error)
	go func() {
		db, err := postgres.Driver.Open(t.Context(), strings.Replace(url, server, address, 1))
		if err == nil {
			err = db.Close()
		}
		opened <- err
	}()
	select {
	case err := <-opened:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond): // long enough for it to have been refused
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skip("another program has taken the port: ", err)
	}
	defer l.Close()
	go forward(l, server)
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// forward passes connections on until l is closed.
func forward(l net.Listener, server string) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", server)
		if err != nil {
			_ = from.Close()
			continue
		}
		for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
			go func() {
				b := make([]byte, 4096)
				for {
					n, err := pair[0].Read(b)
					if err == nil {
						_, err = pair[1].Write(b[:n])
					}
					if err != nil {
						_, _ = pair[0].Close(), pair[1].Close()
						return
					}
				}
			}()
		}
	}
}

func TestErrorsAreRedacted(t *testing.T) {
	const secret = "hunter2"
	for _, url := range []string{
		"postgres://u:" + secret + "@h:1/x?connect_timeout=none",
		"postgres://h/x?connect_timeout=none&password=" + secret,
		"host=h password=" + secret + " port=none",
		"postgres://u:" + secret + "@[::1/x",
		"postgres://u:%zz" + secret + "@h/x",
	} {
		if _, err := postgres.Driver.Open(t.Context(), url); err == nil || strings.Contains(fmt.Sprint(err), secret) {
			t.Errorf("%v tells the password", err)
		}
	}
}
