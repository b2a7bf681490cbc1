// Package pgtest gives tests a real PostgreSQL server: started by the first test
// that asks, on a free port of 127.0.0.1, in a temporary folder, with none of a
// machine's own servers touched. One server serves all tests of a test binary; each
// test gets databases of its own.
//
// Where PostgreSQL is not installed tests are skipped, naming what to install; with
// CI=true in the environment they fail instead.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

var (
	mu      sync.Mutex
	running *server
	serial  atomic.Int64
)

// Main runs a package's tests and then ends the server they used. A package whose
// tests use pgtest has
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// Without it the server ends with the test binary all the same on Linux, but its
// temporary folder stays.
func Main(m *testing.M) int {
	code := m.Run()
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		running.stop()
		running = nil
	}
	return code
}

// Database returns the URL of a new, empty database, dropped when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	s := shared(t)
	name := fmt.Sprintf("test_%d", serial.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.exec(ctx, "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("the test database %s stays: %v", name, err)
		}
	})
	return s.url(name)
}

func shared(t testing.TB) *server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if running != nil {
		return running
	}
	bin := binaries()
	if bin == "" {
		const what = "PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql/*/bin): run scripts/install-test-deps.sh"
		if os.Getenv("CI") == "true" {
			t.Fatal(what)
		}
		t.Skip("suite PostgreSQL skipped: " + what)
	}
	s, err := start(bin)
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	running = s
	return s
}

// binaries returns the folder of initdb and postgres, the newest version first.
func binaries() string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	for i := len(dirs) - 1; i >= 0; i-- {
		if _, err := os.Stat(filepath.Join(dirs[i], "initdb")); err == nil {
			return dirs[i]
		}
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	return ""
}

func (s *server) exec(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, s.url("postgres"))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, statement)
	return err
}
