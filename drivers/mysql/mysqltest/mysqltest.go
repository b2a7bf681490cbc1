//go:build unix

// Package mysqltest gives tests a real MariaDB server, where one is installed: started by the first test that asks, on
// a free port of 127.0.0.1, in a temporary folder. It serves all tests of a test binary, each gets databases of its
// own, and it ends, folder and all, when the binary does, however that ends.
package mysqltest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// patience bounds what is asked of the server on a machine under load.
const patience = time.Minute

// Server is a server. It is safe for concurrent use.
type Server struct {
	port   int
	serial atomic.Int64
	stop   func() // nil while it does not run
}

// The tests of one program share a server, and package testing has no value to keep it in.
var (
	mu      sync.Mutex
	running *Server
)

// guardScript runs the server until its own input ends, which is when the test binary
// closes it or dies, and removes its folder.
const guardScript = `dir=$1; shift
exec 3<&0
"$@" </dev/null 3<&- & pid=$!
{ cat <&3 >/dev/null; kill -KILL "$pid" 2>/dev/null; } & watch=$!
wait "$pid" 2>/dev/null
kill "$watch" 2>/dev/null
rm -rf "$dir"`

// Main runs a package's tests and then waits until the server they used has ended. A package need not
// have it: without it the server ends a moment after the tests.
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

// Start returns the server of this test binary, and starts it if it does not run; it skips the test, by name, where
// none is installed. With CI=true in the environment that test fails instead. It is safe for concurrent use.
func Start(t testing.TB) *Server {
	t.Helper()
	mu.Lock()
	defer mu.Unlock()
	if running == nil {
		running = start(t)
	}
	return running
}

func start(t testing.TB) *Server {
	t.Helper()
	program, install := find("mariadbd"), find("mariadb-install-db")
	if program == "" || install == "" {
		const missing = "MariaDB is not installed (no mariadbd or mariadb-install-db in PATH or /usr/sbin): on Debian, apt-get install mariadb-server"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("suite MariaDB skipped: " + missing)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{}
	for range 5 { // the port may be lost to another program before the server takes it
		s.port = freePort(t)
		if err = s.run(t, program, install, me.Username); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

func find(program string) string {
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, folder := range []string{"/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"} {
		path := filepath.Join(folder, program)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return ""
}

func (s *Server) run(t testing.TB, program, install, as string) error {
	dir, err := os.MkdirTemp("", "mysqltest") //nolint:usetesting // it outlives the test that is the first to ask
	if err != nil {
		return err
	}
	data := filepath.Join(dir, "data")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	defer func() { _ = log.Close() }() // the server has its own copy
	out, err := exec.CommandContext(t.Context(), install, "--no-defaults", "--datadir="+data, "--user="+as, "--auth-root-authentication-method=normal", "--skip-test-db").CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w\n%s", install, err, out), os.RemoveAll(dir))
	}
	guard := exec.Command("/bin/sh", "-c", guardScript, "guard", dir, program, "--no-defaults", "--datadir="+data, "--user="+as,
		fmt.Sprintf("--port=%d", s.port), "--bind-address=127.0.0.1", "--socket="+filepath.Join(dir, "s"), "--pid-file="+filepath.Join(dir, "pid"),
		"--skip-name-resolve", "--performance-schema=OFF", "--innodb-buffer-pool-size=32M", "--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--innodb-doublewrite=0", "--max-connections=300", "--skip-log-bin")
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the tests first
	guard.Stdout, guard.Stderr = log, log
	pipe, err := guard.StdinPipe()
	if err == nil {
		err = guard.Start()
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	ended := make(chan struct{})
	go func() {
		_ = guard.Wait() // its log says why it ended
		close(ended)
	}()
	stop := func() {
		_ = pipe.Close()
		<-ended
	}
	if err := s.ready(ended); err != nil {
		stop()
		text, _ := io.ReadAll(io.NewSectionReader(log, 0, 1<<16)) // its name is gone
		return fmt.Errorf("MariaDB does not answer: %w\n%s", err, text)
	}
	s.stop = stop
	return nil
}

func (s *Server) ready(ended <-chan struct{}) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; {
		err := s.exec("SELECT 1")
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-tick.C:
		case <-ended:
			return err
		}
	}
}

// URL returns the URL of one of the server's databases.
func (s *Server) URL(database string) string {
	return fmt.Sprintf("mysql://root@127.0.0.1:%d/%s", s.port, database)
}

// Database returns the URL of a new, empty database, dropped when the test ends.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test_%d", s.serial.Add(1))
	if err := s.exec("CREATE DATABASE " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("DROP DATABASE " + name); err != nil && !strings.Contains(err.Error(), "refused") {
			t.Logf("the test database %s stays until the server ends: %v", name, err)
		}
	})
	return s.URL(name)
}

func (s *Server) exec(statement string) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.Logger = "root", "tcp", fmt.Sprintf("127.0.0.1:%d", s.port), &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer func() { _ = db.Close() }() // it was used once
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err = db.ExecContext(ctx, statement)
	return err
}

func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()    // it was only asked for its port
	return l.Addr().(*net.TCPAddr).Port //nolint:errcheck,forcetypeassert // of a TCP listener
}
