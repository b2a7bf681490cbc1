package http1

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/netip"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/socket"
)

// bufferSize is that of a connection's buffers, in bytes.
const bufferSize = 16 << 10

// Turn is one request on a client's connection, and its answer. It is used again: nothing of
// it is kept when Serve has returned. It is for the goroutine that Serve is called on, but for
// what says otherwise.
type Turn struct {
	// Head is the request's. It is complete but in Refuse.
	Head grammar.Request
	// Out is for what is to be written: it has room, and belongs to whoever serves.
	Out []byte

	session Session
	conn    *conn
	life    *life
	waiter  Interrupter // of the wait under way

	buf        []byte
	from, r, w int // of the request's first byte, of what is not read yet, of what is not there

	body      body
	closes    bool // no other request follows
	handed    bool
	broken    bool
	delimited bool // an answer that breaks off is seen to
}

// Interrupter is told, on another goroutine, that what is waited for does not matter any more.
// It must have the wait end, at once.
type Interrupter interface{ Interrupt() }

// Patient is an Interrupter that is also told, on another goroutine, now and then during a wait that
// takes long. It does not wait itself.
type Patient interface{ Slow() }

func newTurn(e *Engine) *Turn {
	t := &Turn{session: e.cfg.Session(), buf: make([]byte, bufferSize), Out: make([]byte, 0, bufferSize)}
	t.Head.Bounds, t.body.chunks.Bounds = e.cfg.Bounds, e.cfg.Bounds
	return t
}

// start begins a request whose head has n bytes.
func (t *Turn) start(n int) {
	t.from = t.r
	t.r += n
	t.begin()
	t.closes = t.Head.Close
	t.body.start(t)
}

func (t *Turn) begin() {
	t.life = t.life.renewed()
	t.waiter, t.handed, t.broken, t.delimited = nil, false, false, true
	t.Out = t.Out[:0]
}

// tidy moves what has come of the next request to the buffer's beginning.
func (t *Turn) tidy() {
	if t.body.rest != nil {
		t.r, t.w = 0, copy(t.buf, t.body.rest)
	} else if t.r == t.w {
		t.r, t.w = 0, 0
	}
	t.body.free()
	if t.w == 0 && cap(t.buf) > bufferSize {
		t.buf = make([]byte, bufferSize)
	}
}

// reset readies it for another connection.
func (t *Turn) reset() {
	t.body.free()
	t.Head.Reset()
	t.conn, t.waiter, t.r, t.w, t.from = nil, nil, 0, 0, 0
	if cap(t.buf) > bufferSize {
		t.buf = make([]byte, bufferSize)
	}
	if cap(t.Out) > 4*bufferSize {
		t.Out = make([]byte, 0, bufferSize)
	}
}

// makeRoom makes room for more of a head.
func (t *Turn) makeRoom(limit int) {
	if t.w < len(t.buf) {
		return
	}
	if t.r > 0 {
		t.w = copy(t.buf, t.buf[t.r:t.w])
		t.r = 0
		return
	}
	// The parser refuses a head beyond its bound, so that the buffer grows no further.
	grown := make([]byte, min(2*len(t.buf), limit+bufferSize))
	t.w = copy(grown, t.buf[:t.w])
	t.buf = grown
}

// Client returns the address of who sent the request; the zero value when it has none.
func (t *Turn) Client() netip.Addr { return t.conn.client }

// TLS returns how the connection is secured; nil: it is not.
func (t *Turn) TLS() *tls.ConnectionState { return t.conn.tls }

// Context ends with the client's connection, and with what [Turn.Wait] allows.
func (t *Turn) Context() context.Context { return t.life }

// Until gives the request's context a deadline, which is only told: Wait carries it out.
func (t *Turn) Until(at time.Time) { t.life.until = at }

// HandOver gives the connection to the other engine, which reads the request once more. Nothing
// was read of its body then, and nothing was answered. Serve returns.
func (t *Turn) HandOver() { t.handed = true }

// Break ends the connection when Serve returns, in the middle of an answer.
func (t *Turn) Break() { t.broken = true }

// Open says that the answer's end is that of the connection, so that one that breaks off must
// not look like it.
func (t *Turn) Open() { t.delimited, t.closes = false, true }

// Last has the connection close after this answer.
func (t *Turn) Last() { t.closes = true }

// Persists reports whether another request may follow: a head of an answer says so. It is
// settled when the head is written.
func (t *Turn) Persists() bool {
	if e := t.conn.engine; !t.closes && (e.closing.Load() || e.leaving.Load() || !t.body.ended()) {
		t.closes = true
	}
	return !t.closes
}

func (t *Turn) persists() bool { return !t.closes && t.body.ended() }

// Wait begins a wait for somebody else, of d at most (0: without end), during which i is told
// when the client goes away or the time is up; the context has ended then, with an error that
// says which: context.Canceled or context.DeadlineExceeded.
func (t *Turn) Wait(d time.Duration, i Interrupter) {
	t.waiter = i
	t.conn.enter(waiting, d)
}

// Extend gives the wait under way another d; false when it was interrupted before. It may be
// called on another goroutine.
func (t *Turn) Extend(d time.Duration) bool { return t.conn.extend(d) }

// Resume ends the wait; false when it was interrupted.
func (t *Turn) Resume() bool { return t.conn.enter(busy, 0) }

// Interrupted reports whether the wait under way was.
func (t *Turn) Interrupted() bool { return t.conn.state.Load()&overdue != 0 }

func (t *Turn) interrupt(why error) {
	t.life.end(why)
	if t.waiter != nil {
		t.waiter.Interrupt()
	}
}

// Write writes to the client, who may stall for so long and no longer.
func (t *Turn) Write(p []byte) (int, error) {
	c := t.conn
	sent := 0
	if c.raw != nil { // most often there is room, and nobody to be waited for
		if n, err := socket.Send(uintptr(c.fd), p); n == len(p) {
			return n, nil
		} else if err == nil {
			sent = n
		}
	}
	c.enter(writing, c.engine.cfg.StallTimeout)
	n, err := c.net.Write(p[sent:])
	if !c.enter(busy, 0) && err == nil {
		err = errStalled
	}
	return sent + n, err
}

// Copy writes n bytes from another connection to the client, by the kernel where it can.
// broken is the error of the other side, err that of the client's.
func (t *Turn) Copy(from io.Reader, n int64) (done int64, broken, err error) {
	c := t.conn
	for piece := int64(leastCopy); done < n; piece = min(2*piece, mostCopy) {
		began := c.engine.now.Load()
		c.enter(writing, c.engine.cfg.StallTimeout)
		moved, err := io.CopyN(c.net, from, min(piece, n-done))
		done += moved
		switch late := !c.enter(busy, 0); {
		case late:
			return done, nil, errStalled
		case errors.Is(err, io.EOF):
			return done, io.ErrUnexpectedEOF, nil
		case err != nil && c.hungUp():
			return done, nil, err
		case err != nil:
			return done, err, nil
		}
		if c.engine.now.Load()-began > 1000 { // a slow client must not seem to have stalled
			piece = leastCopy / 2
		}
	}
	return done, nil, nil
}

// A client is given so much at a time, in bytes, and each time as long as it may stall.
const (
	leastCopy = 64 << 10
	mostCopy  = 1 << 20
)

// Plain reports whether the kernel can move bytes to the client.
func (t *Turn) Plain() bool { return t.conn.raw != nil }

// Continue asks the client for the body (RFC 9110, 10.1.1). It may be called on another
// goroutine while nothing else is written.
func (t *Turn) Continue() {
	_, _ = io.WriteString(t.conn.net, "HTTP/1.1 100 Continue\r\n\r\n") // who is gone sends no body
}

// Date is the time as messages tell it (RFC 9110, 5.6.7).
func (t *Turn) Date() string { return *t.conn.engine.date.Load() }

// Now tells the engine what time it is, which it would know soon anyway.
func (t *Turn) Now(now time.Time) {
	e := t.conn.engine
	if ms := now.Sub(e.began).Milliseconds() + 1; ms > e.now.Load() {
		e.now.Store(ms)
	}
}
