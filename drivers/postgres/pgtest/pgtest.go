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
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

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
		running.stop()
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
	bin := binaries()
	if bin == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(errNotInstalled)
		}
		t.Skip("suite PostgreSQL skipped: " + errNotInstalled.Error())
	}
	s, err := start(bin, false)
	if err != nil {
		t.Fatalf("start PostgreSQL for tests: %v", err)
	}
	running = s
	return s
}

// Durable starts a server for measuring: its commits are synced to the disk, as in
// production. It ends with Stop, or with this process.
func Durable() (*Server, error) {
	bin := binaries()
	if bin == "" {
		return nil, errNotInstalled
	}
	return start(bin, true)
}

// Stop ends a server that Durable started and removes its folder.
func (s *Server) Stop() { s.stop() }

// PID returns the process of the server, for measuring what it and its children use.
func (s *Server) PID() int { return s.cmd.Process.Pid }

var errNotInstalled = errors.New("PostgreSQL is not installed (no initdb in PATH or /usr/lib/postgresql/*/bin): on Debian, apt-get install postgresql")

// Database returns the URL of a new, empty database, dropped when the test ends. It
// is safe for concurrent use.
func Database(t testing.TB) string {
	t.Helper()
	s := Start(t)
	name := fmt.Sprintf("test_%d", serial.Add(1))
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := s.exec(ctx, "CREATE DATABASE "+name+" STRATEGY file_copy", "CREATE DATABASE "+name); err != nil {
		t.Fatalf("create a test database: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := s.exec(ctx, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Logf("the test database %s stays until the server ends: %v", name, err)
		}
	})
	return s.URL(name)
}

// exec tries statements until one succeeds and returns the last one's error.
func (s *Server) exec(ctx context.Context, statements ...string) error {
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

// binaries returns the folder of initdb and postgres, the newest version first.
func binaries() string {
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well formed
	slices.SortFunc(folders, func(a, b string) int { return version(b) - version(a) })
	for _, folder := range append(folders, filepath.SplitList(os.Getenv("PATH"))...) {
		if _, err := os.Stat(filepath.Join(folder, "initdb")); err == nil {
			return folder
		}
	}
	return ""
}

// version reads the number in /usr/lib/postgresql/15/bin.
func version(folder string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(filepath.Base(filepath.Dir(folder)))) // 0 for what has none
	return n
}
