package http1

import (
	"crypto/tls"
	"net"
	"time"
)

// linger closes a connection so that its client gets the answer: bytes that nobody reads would
// have the kernel take it back (RFC 9112, 9.6).
func (c *conn) linger(t *Turn) {
	if half, ok := c.net.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
		return
	}
	_ = c.net.SetReadDeadline(time.Time{}) // that of who was too slow has passed; one that is closed fails the read
	if !c.enter(lingering, c.engine.cfg.LingerTimeout) || c.engine.closing.Load() {
		return
	}
	for {
		if _, err := c.net.Read(t.buf[:cap(t.buf)]); err != nil {
			return
		}
	}
}

// abort closes a connection whose client has half an answer, so that it cannot take it for a
// whole one.
func (c *conn) abort(t *Turn) {
	if !t.delimited {
		inner := c.net
		if secure, ok := inner.(*tls.Conn); ok {
			inner = secure.NetConn()
		}
		if tcp, ok := inner.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset in place of an end
		}
		_ = inner.Close()
	}
}

// handOver gives the connection to the other engine, with what was read of it.
func (c *conn) handOver() {
	t := c.turn
	var early []byte
	if t != nil {
		early = append(early, t.buf[t.from:t.w]...)
	}
	_ = c.net.SetDeadline(time.Time{})
	c.engine.cfg.Other.Take(newReplay(c.net, early, c.tls))
}
