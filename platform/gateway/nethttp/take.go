package nethttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
)

// taken is the listener of connections that another engine hands over.
type taken struct {
	begin sync.Once
	end   sync.Once
	conns chan net.Conn
	over  chan struct{}
}

func newTaken() *taken { return &taken{conns: make(chan net.Conn), over: make(chan struct{})} }

// Accept implements net.Listener.
func (t *taken) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *taken) Close() error {
	t.end.Do(func() { close(t.over) })
	return nil
}

// Addr implements net.Listener.
func (*taken) Addr() net.Addr { return &net.TCPAddr{} }

// Take serves a connection that another engine has accepted. It does not wait. Where the
// connection has a method TLS() *tls.ConnectionState, requests are said to have come by that.
func (e *Engine) Take(c net.Conn) {
	e.taken.begin.Do(func() { go func() { _ = e.server.Serve(e.taken) }() }) // it ends with Shutdown
	select {
	case e.taken.conns <- c:
	case <-e.taken.over:
		_ = c.Close()
	}
}

type tlsKey struct{}

// known notes how a connection is secured of which net/http does not see it, and has room for
// what its requests share.
func known(ctx context.Context, c net.Conn) context.Context {
	ctx = context.WithValue(ctx, bodiesKey{}, &bodies{})
	if s, ok := c.(interface{ TLS() *tls.ConnectionState }); ok && s.TLS() != nil {
		return context.WithValue(ctx, tlsKey{}, s.TLS())
	}
	return ctx
}

// secured tells a request how its connection is.
func secured(r *http.Request) *http.Request {
	state, ok := r.Context().Value(tlsKey{}).(*tls.ConnectionState)
	if !ok {
		return r
	}
	r = r.WithContext(r.Context())
	r.TLS = state
	return r
}
