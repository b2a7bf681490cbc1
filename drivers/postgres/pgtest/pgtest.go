// Package pgtest gives tests a real PostgreSQL server: started by the first test
// that asks, on a free port of 127.0.0.1, in a temporary folder, with none of a
// machine's own servers touched. One server serves all tests of a test binary, each
// gets databases of its own, and it ends, folder and all, when the binary does,
// however that ends.
//
// Where PostgreSQL is not installed tests are skipped, naming what to install; with
// CI=true in the environment they fail instead.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/musterdev/muster/drivers/postgres/pgserver"
)

// Server is a PostgreSQL server in a temporary folder. It is safe for concurrent use.
type Server = pgserver.Server

// The tests of one program share a server, and package testing has no value to keep
// it in.
var (
	mu      sync.Mutex
	running *Server
	serial  atomic.Int64
)

// patience bounds what is asked of the server on a machine under load.
const patience = time.Minute

// Main runs a package's tests and then waits until the server they used has ended.
// A package need not have it: without it the server ends a moment after the tests.
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		running.Stop()
		running = nil
	}
	return code
}

// Start returns the server of this test binary, and starts it if it does not run.
// It is safe for concurrent use.
func Start(t testing.TB) *Server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		return running
	}
	s, err := pgserver.Start(pgserver.Config{})
	if errors.Is(err, pgserver.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip("suite PostgreSQL skipped: " + err.Error())
	}
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	running = s
	return s
}

// Durable starts a server for measuring: its commits are synced to the disk, as in
// production. It ends with Stop, or with this process.
func Durable() (*Server, error) { return pgserver.Start(pgserver.Config{Durable: true}) }

// Database returns the URL of a new, empty database, dropped when the test ends. It
// is safe for concurrent use.
func Database(t testing.TB) string {
	t.Helper()
	s := Start(t)
	name := fmt.Sprintf("test_%d", serial.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := exec(ctx, s, "CREATE DATABASE "+name+" STRATEGY file_copy", "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := exec(ctx, s, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("the test database %s stays until the server ends: %v", name, err)
		}
	})
	return s.URL(name)
}

// exec tries statements until one succeeds and returns the last one's error.
func exec(ctx context.Context, s *Server, statements ...string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	for _, statement := range statements {
		if _, err = conn.Exec(ctx, statement); err == nil {
			return nil
		}
	}
	return err
}
