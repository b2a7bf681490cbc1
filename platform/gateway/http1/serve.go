package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/socket"
)

// serve serves requests until the connection ends, or goes on with a new goroutine.
func (c *conn) serve() {
	handed := false
	defer func() {
		if p := recover(); p != nil {
			c.engine.cfg.Log.Error("a request made its session panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		} else if c.moves {
			c.moves = false
			go c.serve()
			return
		}
		c.state.Store(word(over, 0))
		c.mu.Lock()   // nobody acts on it any more
		c.mu.Unlock() //nolint:staticcheck // that was all
		c.release()
		c.engine.leave(c)
		if !handed {
			_ = c.net.Close()
		}
	}()
	if !c.shaken {
		if c.shaken = c.shake(); !c.shaken {
			if handed = c.tls != nil && c.tls.NegotiatedProtocol == "h2"; handed {
				c.engine.cfg.Other.Take(c.net)
			}
			return
		}
	}
	for {
		switch c.next() {
		case again:
		case give:
			handed = true
			c.handOver()
			return
		case broken:
			c.abort(c.turn)
			return
		case last:
			c.linger(c.turn)
			return
		default:
			return
		}
	}
}

// shake does the handshake of TLS; false when the connection is not for this engine.
func (c *conn) shake() bool {
	secure, ok := c.net.(*tls.Conn)
	if !ok {
		return true
	}
	c.enter(reading, c.engine.cfg.HeaderTimeout)
	_ = secure.SetDeadline(time.Now().Add(c.engine.cfg.HeaderTimeout)) // the sweep bounds reads only
	err := secure.HandshakeContext(context.Background())
	if !c.enter(busy, 0) || err != nil {
		return false
	}
	_ = secure.SetDeadline(time.Time{})
	state := secure.ConnectionState()
	c.tls = &state
	return state.NegotiatedProtocol != "h2"
}

// verdict is what becomes of a connection after a request.
type verdict int

const (
	end    verdict = iota
	again          // another request may follow
	give           // another engine has it
	last           // the client may still read the answer
	broken         // it may not take what it has for an answer
)

// next reads a request and serves it.
func (c *conn) next() verdict {
	if v := c.await(); v != again {
		return v
	}
	t, n := c.turn, c.parsed
	if c.parsed = 0; n == 0 {
		var err error
		if n, err = c.head(); err != nil {
			return c.unread(err)
		}
	}
	return c.answered(t, n)
}

// unread is what becomes of a connection from which no request could be read.
func (c *conn) unread(err error) verdict {
	if errors.Is(err, grammar.ErrPreface) && !c.served && c.tls == nil {
		return give
	}
	if f := faultOf(err); f != nil {
		c.refuse(f)
		return last
	}
	return end
}

// answered serves the request whose head of n bytes was parsed last.
func (c *conn) answered(t *Turn, n int) verdict {
	t.start(n)
	if t.Head.Upgrade || t.Head.Form == grammar.Authority {
		return give
	}
	c.served = true
	c.one(t)
	switch {
	case t.handed:
		return give
	case t.broken:
		return broken
	case !t.persists():
		return last
	}
	t.tidy()
	return again
}

// serveAll is called when there may be something to read on a connection without a request.
// Requests that have come wholly are served here: then the next that comes is waited for
// without a read that would find nothing. It reports whether the wait is over.
func (c *conn) serveAll(fd uintptr) bool {
	c.hold()
	t := c.turn
	c.n, c.err = socket.Receive(fd, t.buf[t.w:])
	if socket.Blocked(c.err) {
		c.release()
		return false
	}
	if c.n <= 0 {
		return true
	}
	full := c.n == len(t.buf)-t.w // there may be more, of which nobody tells once again
	t.w += c.n
	if !c.enter(busy, 0) {
		c.err = errIdle
		return true
	}
	for {
		n, err := t.Head.Parse(t.buf[t.r:t.w])
		if err != nil {
			c.err = err
			return true
		}
		if n == 0 {
			return true
		}
		h := &t.Head
		if h.Upgrade || h.Expect100 || h.Close || h.Form == grammar.Authority || h.Length < 0 || h.Length > int64(t.w-t.r-n) {
			c.parsed = n // it is served outside, where the connection can be read
			return true
		}
		c.then = c.answered(t, n)
		if c.then != again {
			return true
		}
		if t.w > t.r {
			continue
		}
		if full || c.engine.closing.Load() || !c.enter(idle, c.engine.cfg.IdleTimeout) || c.engine.closing.Load() {
			return true
		}
		c.release()
		return false
	}
}

// one has a request served.
func (c *conn) one(t *Turn) {
	c.engine.busy.Add(1)
	defer c.engine.busy.Add(-1)
	t.session.Serve(t)
	t.halt()
	if t.life.kept.Load() {
		t.life.end(context.Canceled)
	}
}
