package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/socket"
)

// conn is one client's connection. All but what the sweep needs belongs to its goroutine.
type conn struct {
	engine *Engine
	net    net.Conn
	raw    syscall.RawConn // nil: it is read by net, as with TLS
	fd     int             // to be asked whether the client is there; negative: it cannot be
	tls    *tls.ConnectionState
	client netip.Addr

	at     int    // its place among the engine's
	seen   uint64 // by the sweep
	since  int64  // when it was seen first in what it does, in milliseconds
	asked  uint64 // the last idle time in which it asked for the client
	state  atomic.Uint64
	mu     sync.Mutex // with it held the sweep acts
	nudged bool       // it did so only to have the connection read once more

	turn   *Turn // the request under way or begun; nil while there is none
	served bool  // a request was
	shaken bool  // its TLS, if any, is agreed upon
	moves  bool  // to another goroutine
	read   func(fd uintptr) bool
	wait   func(fd uintptr) bool
	parsed int     // the length of a head that was read and is not served yet
	then   verdict // of the request that was served last while the next was waited for
	n      int
	err    error
	first  [1]byte
}

func newConn(e *Engine, nc net.Conn) *conn {
	c := &conn{engine: e, net: nc, fd: -1}
	if at, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.client = at.AddrPort().Addr().Unmap()
	}
	inner := nc
	secure, isTLS := nc.(*tls.Conn)
	if isTLS {
		inner = secure.NetConn()
	}
	if sock, ok := inner.(syscall.Conn); ok {
		if raw, err := sock.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { c.fd = int(fd) }) // one that is closed already fails the first read
			if !isTLS && socket.Direct {
				c.raw, c.read, c.wait = raw, c.take, c.serveAll
			}
		}
	}
	return c
}

// The ends of a connection that are nobody's fault.
var (
	errIdle = errors.New("no other request came")
	errGone = fmt.Errorf("the client went away: %w", context.Canceled)
)

// enter has the connection do something, for no longer than d (0: without end). It reports
// false when what it did before had lasted too long: then the sweep has ended it.
func (c *conn) enter(p phase, d time.Duration) bool {
	var until int64
	if d > 0 {
		until = c.engine.now.Load() + max(1, d.Milliseconds())
	}
	if c.state.Swap(word(p, until))&overdue == 0 {
		return true
	}
	c.mu.Lock() // until the sweep has done what it does
	defer c.mu.Unlock()
	if c.nudged {
		c.nudged = false
		_ = c.net.SetReadDeadline(time.Time{}) // one that is closed fails the next read
		return true
	}
	return false
}
