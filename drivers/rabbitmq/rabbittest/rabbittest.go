//go:build unix

// Package rabbittest gives tests a real RabbitMQ server of their own: the one that is
// installed, with a node name, an epmd, ports of 127.0.0.1 and a temporary folder of its
// own. It ends with the test, and with the test binary, however that ends.
package rabbittest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// patience bounds what is asked of the server on a machine under load: it takes ten
// seconds to start on an idle one.
const patience = 90 * time.Second

// Server is a server. It is safe for concurrent use.
type Server struct {
	t      testing.TB
	script string
	dir    string
	node   string
	ports  [3]int // of AMQP, of the nodes' own protocol, of epmd

	mu    sync.Mutex
	guard *exec.Cmd
	pipe  io.Closer
}

// guardScript runs epmd and the server until its own input ends, which is when the test
// binary closes it or dies. Then it ends the server in order, or kills it where it takes
// too long.
const guardScript = `epmd -port "$ERL_EPMD_PORT" -address 127.0.0.1 >/dev/null 2>&1 </dev/null & epmd=$!
"$1" >"$2" 2>&1 </dev/null & pid=$!
cat >/dev/null
kill -TERM "$pid" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	kill -0 "$pid" 2>/dev/null || break
	sleep 1
done
kill -KILL "$pid" "$epmd" 2>/dev/null
wait "$pid" "$epmd" 2>/dev/null`

// Start returns a running server, or skips the test, by name, where none is installed.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), node: "muster-" + strings.ToLower(rand.Text()[:10]) + "@localhost"}
	for _, path := range []string{"/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server"} {
		if _, err := os.Stat(path); err == nil {
			s.script = path
			break
		}
	}
	_, err := exec.LookPath("epmd")
	if s.script == "" || err != nil {
		const missing = "RabbitMQ is not installed (no /usr/lib/rabbitmq/bin/rabbitmq-server, or no epmd in PATH): on Debian, apt-get install rabbitmq-server"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip("suite RabbitMQ skipped: " + missing)
	}
	s.ports = freePorts(t)
	config := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlog.file = false\nlog.console = true\nlog.console.level = warning\ndisk_free_limit.absolute = 50MB\n", s.ports[0])
	for name, content := range map[string]string{"rabbitmq.conf": config, "plugins": "[].\n"} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// URL returns where the server listens, also while it is stopped.
func (s *Server) URL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.ports[0]) }

// Start starts the server again, with the same port and store, and returns when it
// takes connections. One that runs stays.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard != nil {
		return
	}
	log := filepath.Join(s.dir, "out.log")
	guard := exec.Command("/bin/sh", "-c", guardScript, "guard", s.script, log)
	guard.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C ends the tests first
	at := func(name string) string { return filepath.Join(s.dir, name) }
	guard.Env = append(os.Environ(),
		"HOME="+s.dir, "RABBITMQ_ALLOW_INPUT=1", "RABBITMQ_NODENAME="+s.node,
		"RABBITMQ_CONFIG_FILE="+at("rabbitmq.conf"), "RABBITMQ_ENABLED_PLUGINS_FILE="+at("plugins"),
		"RABBITMQ_MNESIA_BASE="+at("db"), "RABBITMQ_LOG_BASE="+at("log"), "RABBITMQ_PID_FILE="+at("pid"),
		fmt.Sprintf("RABBITMQ_DIST_PORT=%d", s.ports[1]), fmt.Sprintf("ERL_EPMD_PORT=%d", s.ports[2]), "ERL_EPMD_ADDRESS=127.0.0.1",
		"RABBITMQ_SERVER_START_ARGS=-noinput",
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}")
	pipe, err := guard.StdinPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := guard.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.guard, s.pipe = guard, pipe
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.answers()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			out, _ := os.ReadFile(log) // what there is of it
			s.t.Fatalf("RabbitMQ did not take connections at %s: %v\n%s", s.URL(), err, bytes.TrimSpace(out))
		}
	}
}

// answers tries a connection and a channel.
func (s *Server) answers() error {
	c, err := amqp.DialConfig(s.URL(), amqp.Config{Dial: amqp.DefaultDial(5 * time.Second)})
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	_, err = c.Channel()
	return err
}

// Stop ends the server and its epmd and returns when they are gone. Its store stays.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return
	}
	_ = s.pipe.Close()
	if err := s.guard.Wait(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); !ended { // with what the kill left in $?
			s.t.Error(err)
		}
	}
	s.guard = nil
}

// Kill kills the server, as when it crashes, and returns when it is gone. RabbitMQ 3.10
// itself loses its streams for good when that happens within a second or so after it made
// its first one.
func (s *Server) Kill() {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid < 2 {
		s.t.Fatalf("the server's process is %q: %v", text, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.Stop()
}

// Restart ends the server and starts it again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// freePorts returns ports that nobody listens at. Unlike with port 0 a restarted server
// has them again.
func freePorts(t testing.TB) (ports [3]int) {
	t.Helper()
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a TCP listener
	}
	return ports
}
