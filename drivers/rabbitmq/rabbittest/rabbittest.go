//go:build unix

// Package rabbittest gives tests a real RabbitMQ server of their own: the one that is
// installed, with a node name, an epmd, ports of 127.0.0.1 and a temporary folder of its
// own. It ends with the test, and with the test binary, however that ends.
package rabbittest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
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
	return StartWith(t)
}

// StartWith is Start of a server that has further virtual hosts, each a broker of its own
// for those who use it: see [Server.VHost].
func StartWith(t testing.TB, vhosts ...string) *Server {
	t.Helper()
	s, err := newServer(t.TempDir(), vhosts...)
	switch {
	case errors.Is(err, errMissing) && os.Getenv("CI") != "true":
		t.Skip("suite RabbitMQ skipped: " + err.Error())
	case err != nil:
		t.Fatal(err)
	}
	s.t = t
	t.Cleanup(s.Stop) // of one that did not start well too
	s.Start()
	return s
}

// Alone returns a running server that keeps its store in dir, for who is no test. Its
// Close ends it; its other methods are for tests.
func Alone(dir string) (*Server, error) {
	s, err := newServer(dir)
	if err != nil {
		return nil, err
	}
	if err := s.start(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

var errMissing = errors.New("RabbitMQ is not installed (no /usr/lib/rabbitmq/bin/rabbitmq-server, or no epmd in PATH): on Debian, apt-get install rabbitmq-server")

// newServer returns one that does not run yet.
func newServer(dir string, vhosts ...string) (*Server, error) {
	s := &Server{dir: dir, node: "muster-" + strings.ToLower(rand.Text()[:10]) + "@localhost"}
	for _, path := range []string{"/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/homebrew/sbin/rabbitmq-server", "/usr/local/sbin/rabbitmq-server"} {
		if _, err := os.Stat(path); err == nil {
			s.script = path
			break
		}
	}
	_, err := exec.LookPath("epmd")
	if s.script == "" || err != nil {
		return nil, errMissing
	}
	if s.ports, err = freePorts(); err != nil {
		return nil, err
	}
	config := fmt.Sprintf("listeners.tcp.1 = 127.0.0.1:%d\nlog.file = false\nlog.console = true\nlog.console.level = warning\ndisk_free_limit.absolute = 50MB\n", s.ports[0])
	files := map[string]string{"rabbitmq.conf": config, "plugins": "[].\n"}
	if len(vhosts) > 0 { // with definitions of ours the server makes none of its own
		files["definitions.json"] = definitions(append([]string{"/"}, vhosts...))
		files["rabbitmq.conf"] += "load_definitions = " + filepath.Join(s.dir, "definitions.json") + "\n"
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// URL returns where the server listens, also while it is stopped.
func (s *Server) URL() string { return fmt.Sprintf("amqp://guest:guest@127.0.0.1:%d/", s.ports[0]) }

// VHost returns where one of StartWith's virtual hosts is.
func (s *Server) VHost(name string) string { return s.URL() + name }

// definitions are virtual hosts and the user guest, who may do all in them.
func definitions(vhosts []string) string {
	salt := []byte{1, 2, 3, 4} // the password is no secret
	sum := sha256.Sum256(append(salt[:4:4], "guest"...))
	var hosts, rights []string
	for _, name := range vhosts {
		hosts = append(hosts, fmt.Sprintf(`{"name": %q}`, name))
		rights = append(rights, fmt.Sprintf(`{"user": "guest", "vhost": %q, "configure": ".*", "write": ".*", "read": ".*"}`, name))
	}
	return fmt.Sprintf(`{"users": [{"name": "guest", "password_hash": %q, "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": "administrator"}],
"vhosts": [%s], "permissions": [%s]}`, base64.StdEncoding.EncodeToString(append(salt, sum[:]...)), strings.Join(hosts, ", "), strings.Join(rights, ", "))
}

// Start starts the server again, with the same port and store, and returns when it
// takes connections. One that runs stays.
func (s *Server) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard != nil {
		return nil
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
		return err
	}
	if err := guard.Start(); err != nil {
		return err
	}
	s.guard, s.pipe = guard, pipe
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.answers()
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			out, _ := os.ReadFile(log) // what there is of it
			return fmt.Errorf("RabbitMQ did not take connections at %s: %w\n%s", s.URL(), err, bytes.TrimSpace(out))
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
	if err := s.Close(); err != nil {
		s.t.Error(err)
	}
}

// Close is Stop for who is no test.
func (s *Server) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return nil
	}
	_ = s.pipe.Close()
	err := s.guard.Wait()
	s.guard = nil
	if _, ended := errors.AsType[*exec.ExitError](err); ended { // with what the kill left in $?
		return nil
	}
	return err
}

// PID returns the process that the server's are below, 0 while it is stopped.
func (s *Server) PID() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.guard == nil {
		return 0
	}
	return s.guard.Process.Pid
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
func freePorts() (ports [3]int, err error) {
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports, err
		}
		defer func() { _ = l.Close() }()
		ports[i] = l.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a TCP listener
	}
	return ports, nil
}
