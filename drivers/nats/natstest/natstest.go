// Package natstest gives tests a real NATS server with JetStream, in the test's own
// process: on a free port of 127.0.0.1, with its store in a temporary folder, synced
// always as in production. It can be stopped and started again at the same place.
package natstest

import (
	"net"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// patience bounds what is asked of the server on a machine under load.
const patience = 20 * time.Second

// Server is a server. It is safe for concurrent use.
type Server struct {
	t       testing.TB
	options server.Options

	mu      sync.Mutex
	running *server.Server
}

// Start returns a running server, which ends with the test. change, which may be nil,
// changes its options before.
func Start(t testing.TB, change func(*server.Options)) *Server {
	t.Helper()
	s := &Server{t: t, options: server.Options{
		ServerName: "natstest", Host: "127.0.0.1", Port: freePort(t), NoSigs: true, NoLog: true,
		JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, MaxPayload: 1 << 20,
		JetStreamMaxMemory: 16 << 20, JetStreamMaxStore: 1 << 30,
	}}
	if change != nil {
		change(&s.options)
	}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// URL returns where the server listens, also while it is stopped.
func (s *Server) URL() string {
	return "nats://" + net.JoinHostPort(s.options.Host, strconv.Itoa(s.options.Port))
}

// Start starts the server again, with the same port and store. One that runs stays.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		return
	}
	options := s.options // the server changes what it is given
	running, err := server.NewServer(&options)
	if err != nil {
		s.t.Fatalf("start a NATS server for tests: %v", err)
	}
	running.Start()
	if !running.ReadyForConnections(patience) {
		s.t.Fatalf("the NATS server for tests was not ready within %s", patience)
	}
	s.running = running
}

// Stop stops the server and returns when it has ended. Its store stays.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return
	}
	s.running.Shutdown()
	s.running.WaitForShutdown()
	s.running = nil
}

// Restart stops the server and starts it again.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.Start()
}

// Empty removes the store of a stopped server.
func (s *Server) Empty() {
	s.t.Helper()
	if err := os.RemoveAll(s.options.StoreDir); err != nil {
		s.t.Fatal(err)
	}
}

// freePort returns a port that nobody listens at. Unlike with port 0 a restarted
// server has it again.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().(*net.TCPAddr).Port //nolint:errcheck // of a TCP listener
}
