// Package kafkatest starts a Kafka broker for tests: kfake, which the maker of the client
// tests it with, in the test's own process.
package kafkatest

import (
	"net"
	"strconv"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Server is a broker that keeps what it stores on disk.
type Server struct {
	t    *testing.T
	dir  string
	port int

	mu      sync.Mutex
	cluster *kfake.Cluster
}

// Start starts a broker of one node, which ends with the test.
func Start(t *testing.T) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir()}
	s.start()
	t.Cleanup(s.Stop)
	return s
}

func (s *Server) start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(s.port), kfake.DataDir(s.dir), kfake.SyncWrites())
	if err != nil {
		s.t.Fatalf("start kfake: %v", err)
	}
	s.cluster = c
	_, port, err := net.SplitHostPort(c.ListenAddrs()[0])
	if err == nil {
		s.port, err = strconv.Atoi(port)
	}
	if err != nil {
		s.t.Fatalf("the port of kfake: %v", err)
	}
}

// Stop ends the broker, with all connections to it.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cluster.Close()
}

// Restart ends the broker and starts it again, with what it has stored.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.start()
}

// URL returns the broker's URL.
func (s *Server) URL() string { return "kafka://127.0.0.1:" + strconv.Itoa(s.port) }
