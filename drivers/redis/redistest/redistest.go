//go:build unix

// Package redistest gives tests a real Redis server of their own, where one is installed:
// on a free port of 127.0.0.1. It ends with the test, and with the test binary, however
// that ends.
package redistest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// Server is a server.
type Server struct {
	port  int
	args  []string
	dir   string
	guard *exec.Cmd
	pipe  io.Closer
}

// guardScript runs the server until its own input ends, which is when the test binary
// closes it or dies.
const guardScript = `"$@" >/dev/null 2>&1 </dev/null & pid=$!
cat >/dev/null
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null`

// Start returns a running server with nothing on the disk, as a cache has it.
func Start(t *testing.T) *Server {
	return run(t, "--save", "", "--appendonly", "no", "--maxmemory", "64mb")
}

// StartDurable returns a running server that confirms nothing before it is on the disk.
func StartDurable(t *testing.T) *Server {
	return run(t, "--save", "", "--appendonly", "yes", "--appendfsync", "always")
}

func run(t *testing.T, args ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		const missing = "Redis is not installed (no redis-server in PATH): on Debian, apt-get install redis-server"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("suite Redis skipped: " + missing)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{port: l.Addr().(*net.TCPAddr).Port, args: args, dir: t.TempDir()} //nolint:errcheck // of a TCP listener
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Address returns where the server listens, also while it is stopped.
func (s *Server) Address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// Start starts the server, at the same port and with the same store each time, and waits until it listens.
func (s *Server) Start(t *testing.T) {
	t.Helper()
	args := []string{"redis-server", "--port", fmt.Sprint(s.port), "--bind", "127.0.0.1"}
	args = append(args, s.args...)
	s.guard = exec.Command("/bin/sh", append([]string{"-c", guardScript, "guard"}, args...)...)
	s.guard.Dir = s.dir
	s.guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the tests first
	pipe, err := s.guard.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.pipe = pipe
	if err := s.guard.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(20 * time.Second); ; <-tick.C {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Address())
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("Redis did not listen at %s: %v", s.Address(), err)
		}
	}
}

// Stop kills the server and returns when it is gone. Stopping again does nothing.
func (s *Server) Stop(t *testing.T) {
	if s.pipe == nil {
		return
	}
	_ = s.pipe.Close()
	s.pipe = nil
	if err := s.guard.Wait(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended { // with what the kill left in $?
			t.Error(err)
		}
	}
}
