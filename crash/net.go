package crash

import (
	"context"
	"net"
)

// Conn returns c with its writes counted under a name such as "broker". A cut closes it.
func (p *Plan) Conn(c net.Conn, what string) net.Conn {
	if p == nil {
		return c
	}
	w := &netConn{Conn: c, plan: p, what: what}
	if !p.keep(w) {
		_ = c.Close() // its reads and writes tell
	}
	return w
}

// Listener returns l with the writes to all its connections counted under a name such as
// "answer". After a cut it is closed.
func (p *Plan) Listener(l net.Listener, what string) net.Listener {
	if p == nil {
		return l
	}
	w := &listener{Listener: l, plan: p, what: what}
	if !p.keep(w) {
		_ = l.Close() // Accept tells
	}
	return w
}

// Dial returns dial with the writes to all its connections counted under a name such as
// "call". With "" they are not counted, and only cut off with the others.
func (p *Plan) Dial(what string, dial func(ctx context.Context, network, address string) (net.Conn, error)) func(ctx context.Context, network, address string) (net.Conn, error) {
	if p == nil {
		return dial
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if p.dead() {
			return nil, &net.OpError{Op: "dial", Net: network, Err: ErrCut}
		}
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return p.Conn(c, what), nil
	}
}

type netConn struct {
	net.Conn
	plan *Plan
	what string
}

// Write writes b between the two sides of a boundary.
func (c *netConn) Write(b []byte) (n int, err error) {
	if c.what == "" {
		return c.Conn.Write(b)
	}
	err = c.plan.Do(Write, c.what, func() (err error) {
		n, err = c.Conn.Write(b)
		return err
	})
	return n, err
}

// Close closes the connection.
func (c *netConn) Close() error {
	c.plan.forget(c)
	return c.Conn.Close()
}

type listener struct {
	net.Listener
	plan *Plan
	what string
}

// Accept waits for a connection.
func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.plan.Conn(c, l.what), nil
}

// Close closes the listener.
func (l *listener) Close() error {
	l.plan.forget(l)
	return l.Listener.Close()
}
