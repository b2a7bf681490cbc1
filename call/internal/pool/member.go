package pool

import (
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
)

// Member is what a caller knows of one instance: how it answers and its connection.
// It outlives changes of the list as long as the instance and its address stay.
type Member struct {
	*balance.Endpoint
	info  atomic.Pointer[discovery.Instance] // its facts; its address never changes
	Heard atomic.Int64                       // unix ns of its last answer

	mu      sync.Mutex
	conn    *grpc.ClientConn
	retired bool
}

func newMember(in discovery.Instance) *Member {
	m := &Member{Endpoint: balance.NewEndpoint(in.ID)}
	m.learn(in)
	return m
}

// Instance returns its facts, which may not be changed.
func (m *Member) Instance() *discovery.Instance { return m.info.Load() }

func (m *Member) learn(in discovery.Instance) {
	m.info.Store(&in)
	m.Describe(in.Weight, in.Zone)
}

// End ends an attempt that Choose began.
func (m *Member) End() {
	if m.Release() == 0 {
		m.closeIfRetired()
	}
}

// retire closes the connection as soon as nothing runs on it.
func (m *Member) retire() {
	m.mu.Lock()
	m.retired = true
	m.mu.Unlock()
	if m.InFlight() == 0 {
		m.closeIfRetired()
	}
}

func (m *Member) closeIfRetired() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.retired && m.conn != nil {
		_ = m.conn.Close() // nothing runs on it; there is nobody to tell
		m.conn = nil
	}
}

// wake has a gRPC connection that waits before it tries again do so at once.
func (m *Member) wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		m.conn.ResetConnectBackoff()
	}
}

// Conn returns the gRPC connection, which dial opens at first use.
func (m *Member) Conn(dial func() (*grpc.ClientConn, error)) (_ *grpc.ClientConn, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn == nil {
		m.conn, err = dial()
	}
	return m.conn, err
}
