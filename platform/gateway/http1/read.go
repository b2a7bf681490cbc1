package http1

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/socket"
)

// await waits for the first bytes of a request; again says that there is one to be served. No
// memory is held for the connection meanwhile.
func (c *conn) await() verdict {
	if t := c.turn; t != nil && t.w > t.r {
		return again // what came with the request before
	}
	if phaseOf(c.state.Load()) != idle { // it is already where it goes on after a nudge
		if !c.enter(idle, c.engine.cfg.IdleTimeout) {
			return end
		}
	}
	if c.engine.closing.Load() {
		return end
	}
	c.release()
	if c.raw == nil {
		if _, err := io.ReadFull(c.net, c.first[:]); err != nil {
			return end
		}
		c.hold()
		c.turn.buf[0], c.turn.w = c.first[0], 1
		return again
	}
	c.then, c.err, c.n, c.parsed = again, nil, 0, 0
	err := c.raw.Read(c.wait)
	switch t := c.turn; {
	case errors.Is(err, os.ErrDeadlineExceeded) && c.looks():
		c.moves = true
		return end
	case err != nil, c.n <= 0:
		return end
	case c.then != again:
		return c.then
	case c.err != nil:
		return c.unread(c.err)
	case c.parsed == 0 && (t == nil || t.w == t.r): // served, and there may be more
		return c.await()
	}
	return again
}

// looks reports whether it was only nudged. Then it goes on waiting, after a look at what there
// is, on a goroutine whose stack no request has made large.
func (c *conn) looks() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.nudged {
		return false
	}
	c.nudged = false
	_ = c.net.SetReadDeadline(time.Time{})   // one that is closed fails the next read
	c.state.Store(c.state.Load() &^ overdue) // it goes on being idle since then
	return true
}

// head reads on until a head is complete.
func (c *conn) head() (n int, err error) {
	t, began := c.turn, false
	for {
		if n, err = t.Head.Parse(t.buf[t.r:t.w]); n > 0 || err != nil {
			if !began {
				return n, err
			}
			if !c.enter(busy, 0) && err == nil {
				err = errSlow
			}
			return n, err
		}
		if !began { // of the few that do not come at once
			began = true
			c.enter(reading, c.engine.cfg.HeaderTimeout)
		}
		t.makeRoom(c.engine.cfg.Bounds.MaxHead)
		if err := c.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = errSlow
			}
			return 0, err
		}
	}
}

// errSlow is a head that did not arrive in time. It is never changed.
var errSlow = &grammar.Fault{Status: 408, Reason: "the head of the request did not arrive in time"}

func faultOf(err error) *grammar.Fault {
	if errors.Is(err, grammar.ErrPreface) {
		return &grammar.Fault{Status: 505, Reason: "HTTP/2 begins with a connection, or not at all"}
	}
	f, _ := errors.AsType[*grammar.Fault](err)
	return f
}

// refuse answers what is no request. It is the last that is said.
func (c *conn) refuse(f *grammar.Fault) {
	t := c.turn
	t.begin()
	t.closes = true
	c.engine.busy.Add(1)
	t.session.Refuse(t, f)
	c.engine.busy.Add(-1)
}

// fill reads what has come into the turn's buffer, a byte at least.
func (c *conn) fill() error {
	if c.raw == nil {
		n, err := c.net.Read(c.turn.buf[c.turn.w:])
		if c.turn.w += n; n > 0 {
			return nil
		}
		return err
	}
	if err := c.raw.Read(c.read); err != nil {
		return err
	}
	switch {
	case c.err != nil:
		return c.err
	case c.n <= 0:
		return io.EOF
	}
	c.turn.w += c.n
	return nil
}

// take is called when there may be something to read. While a connection is idle the
// buffer is held only here.
func (c *conn) take(fd uintptr) bool {
	c.hold()
	t := c.turn
	c.n, c.err = socket.Receive(fd, t.buf[t.w:])
	if !socket.Blocked(c.err) {
		return true
	}
	if t.w == 0 {
		c.release()
	}
	return false
}

// hold gets a turn where there is none.
func (c *conn) hold() {
	if c.turn != nil {
		return
	}
	t, _ := c.engine.turns.Get().(*Turn)
	t.conn = c
	c.turn = t
}

// release gives the turn back.
func (c *conn) release() {
	if t := c.turn; t != nil {
		c.turn = nil
		t.reset()
		c.engine.turns.Put(t)
	}
}
