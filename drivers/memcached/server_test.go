//go:build unix

package memcached_test

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

// server is a Memcached of the test's own, on a free port of 127.0.0.1 and with nothing on
// the disk. It ends with the test, and with the test binary, however that ends.
type server struct {
	port  int
	guard *exec.Cmd
	pipe  io.Closer
}

// guardScript runs the server until its own input ends, which is when the test binary
// closes it or dies.
const guardScript = `"$@" >/dev/null 2>&1 </dev/null & pid=$!
cat >/dev/null
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null`

func start(t *testing.T) *server {
	t.Helper()
	if _, err := exec.LookPath("memcached"); err != nil {
		const missing = "Memcached is not installed (no memcached in PATH): on Debian, apt-get install memcached"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("suite Memcached skipped: " + missing)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{port: l.Addr().(*net.TCPAddr).Port}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

func (s *server) address() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// start starts the server, at the same port each time, and waits until it listens.
func (s *server) start(t *testing.T) {
	t.Helper()
	args := []string{"memcached", "-p", fmt.Sprint(s.port), "-l", "127.0.0.1", "-m", "64", "-U", "0"}
	if os.Geteuid() == 0 {
		args = append(args, "-u", "nobody") // it does not run as root
	}
	s.guard = exec.Command("/bin/sh", append([]string{"-c", guardScript, "guard"}, args...)...)
	s.guard.Dir = t.TempDir()
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
		conn, err := net.Dial("tcp", s.address())
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(end) {
			t.Fatalf("Memcached did not listen at %s: %v", s.address(), err)
		}
	}
}

// stop kills the server and returns when it is gone. Stopping again does nothing.
func (s *server) stop(t *testing.T) {
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
