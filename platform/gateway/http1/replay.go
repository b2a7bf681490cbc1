package http1

import (
	"crypto/tls"
	"io"
	"net"
)

// Replay is a connection of which some bytes were read before: they are read again.
type Replay struct {
	net.Conn

	early []byte
	tls   *tls.ConnectionState
}

// newReplay returns a connection that begins with early.
func newReplay(c net.Conn, early []byte, state *tls.ConnectionState) *Replay {
	return &Replay{Conn: c, early: early, tls: state}
}

// TLS returns how the connection is secured; nil: it is not. (net/http knows only of
// connections that are a *tls.Conn.)
func (r *Replay) TLS() *tls.ConnectionState { return r.tls }

// Read reads on. It is for one goroutine at a time.
func (r *Replay) Read(p []byte) (int, error) {
	if len(r.early) == 0 {
		return r.Conn.Read(p)
	}
	n := copy(p, r.early)
	if r.early = r.early[n:]; len(r.early) == 0 {
		r.early = nil
	}
	return n, nil
}

// ReadFrom lets the kernel move bytes where it can.
func (r *Replay) ReadFrom(from io.Reader) (int64, error) { return io.Copy(r.Conn, from) }

// CloseWrite ends this direction.
func (r *Replay) CloseWrite() error {
	if half, ok := r.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return net.ErrClosed
}
