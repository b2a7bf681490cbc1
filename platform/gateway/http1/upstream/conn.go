package upstream

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/socket"
)

// Conn is a connection to an instance, with one request at a time. It is for one goroutine,
// but for what says otherwise.
type Conn struct {
	// Head is that of the answer, once [Conn.Answer] has returned. Its slices are parts of a
	// buffer that the next read may change.
	Head grammar.Response

	pool *Pool
	host *host
	net  net.Conn
	raw  syscall.RawConn // nil: it is used by net

	reused bool
	unread time.Time // when tidying saw it idle first
	buf    *[size]byte
	grown  []byte // in place of buf, of an answer whose head is long
	r, w   int
	body   body
	sent   bool // something of the request may have arrived
	heard  bool // something of the answer has

	turn func(fd uintptr) bool
	more func(fd uintptr) bool
	once func(fd uintptr) bool
	step step
	out  []byte
	n    int
	err  error
}

type step uint8

const (
	asking step = iota
	listening
	only // asking, and no more
)

func newConn(p *Pool, h *host, nc net.Conn) *Conn {
	c := &Conn{pool: p, host: h, net: nc}
	c.Head.Bounds, c.body.chunks.Bounds, c.body.chunks.Answer = p.cfg.Bounds, p.cfg.Bounds, true
	if sock, ok := nc.(*net.TCPConn); ok && socket.Direct {
		if raw, err := sock.SyscallConn(); err == nil {
			c.raw, c.turn, c.more, c.once = raw, c.ask, c.take, c.peek
		}
	}
	return c
}

// ErrStale is a connection that is not quiet: nothing was sent on it. Another is to be asked for.
var ErrStale = errors.New("the connection was not fit to be used again")

// Send writes a request, or its head and the beginning of its body, and waits for the
// first bytes of the answer if wait says so. The error is [ErrStale] before anything was sent.
func (c *Conn) Send(out []byte, wait bool) error {
	c.sent, c.heard = false, false
	if c.raw == nil {
		c.sent = true
		_, err := c.net.Write(out)
		return err
	}
	c.out, c.step, c.err, c.n = out, asking, nil, 0
	if !wait {
		c.step = only
	}
	err := c.raw.Read(c.turn)
	c.out = nil
	if err == nil {
		err = c.err
	}
	switch {
	case err != nil:
		return err
	case c.n < 0: // the rest did not fit into the socket
		_, err = c.net.Write(out[-c.n-1:])
		return err
	case wait:
		return c.got()
	}
	return nil
}

// ask is called first when a request is to be sent, and then when there may be something of
// the answer. What it says before the request was sent is answered by nobody.
func (c *Conn) ask(fd uintptr) bool {
	if c.step == listening {
		return c.take(fd)
	}
	if c.reused {
		var probe [1]byte
		if n, err := socket.Receive(fd, probe[:]); n >= 0 || !socket.Blocked(err) {
			c.err = ErrStale
			return true
		}
	}
	c.sent = true
	n, err := socket.Send(fd, c.out)
	switch {
	case socket.Blocked(err):
		n = 0
	case err != nil:
		c.err = err
		return true
	}
	if n < len(c.out) {
		c.n = -n - 1
		return true
	}
	if c.step == only {
		return true
	}
	c.step = listening
	return false
}

// take reads what is there.
func (c *Conn) take(fd uintptr) bool {
	c.hold()
	c.n, c.err = socket.Receive(fd, c.room()[c.w:])
	if !socket.Blocked(c.err) {
		return true
	}
	if c.w == 0 && c.grown == nil {
		c.free()
	}
	return false
}

// peek reads what is there, or nothing.
func (c *Conn) peek(fd uintptr) bool {
	c.n, _ = socket.Receive(fd, c.room()[c.w:])
	return true
}

// got notes what take has read.
func (c *Conn) got() error {
	if c.n <= 0 {
		return io.EOF
	}
	c.w += c.n
	c.heard = true
	return nil
}

// fill reads what comes, a byte at least.
func (c *Conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	if c.raw == nil {
		c.hold()
		n, err := c.net.Read(c.room()[c.w:])
		if c.w += n; n > 0 {
			c.heard = true
			return nil
		}
		return err
	}
	c.n, c.err = 0, nil
	if err := c.raw.Read(c.more); err != nil {
		return err
	}
	if c.err != nil {
		return c.err
	}
	return c.got()
}

func (c *Conn) hold() {
	if c.buf == nil && c.grown == nil {
		c.buf, _ = c.pool.room.Get().(*[size]byte)
	}
}

func (c *Conn) free() {
	if c.buf != nil {
		c.pool.room.Put(c.buf)
		c.buf = nil
	}
	c.grown = nil
}

func (c *Conn) room() []byte {
	if c.grown != nil {
		return c.grown
	}
	return c.buf[:]
}

// Answer reads the head of the answer to a request of that method: an interim one, or
// the final one. An error is a [*grammar.Fault] or that of the connection.
func (c *Conn) Answer(method string) error {
	for {
		if c.w > c.r {
			n, err := c.Head.Parse(c.room()[c.r:c.w], method)
			if err != nil {
				return err
			}
			if n > 0 {
				c.r += n
				c.body.start(&c.Head)
				return nil
			}
		}
		if c.buf != nil || c.grown != nil {
			c.makeRoom()
		}
		if err := c.fill(); err != nil {
			if errors.Is(err, io.EOF) && c.heard {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
}

func (c *Conn) makeRoom() {
	room := c.room()
	switch {
	case c.w < len(room):
	case c.r > 0:
		c.w = copy(room, room[c.r:c.w])
		c.r = 0
	default: // the parser bounds it
		grown := make([]byte, 2*len(room))
		copy(grown, room)
		c.free()
		c.grown = grown
	}
}

// Write sends more of a request. It may be called on another goroutine.
func (c *Conn) Write(p []byte) (int, error) { return c.net.Write(p) }

// Sent reports whether something of the request may have reached the instance.
func (c *Conn) Sent() bool { return c.sent }

// Heard reports whether something of an answer came.
func (c *Conn) Heard() bool { return c.heard }

// Reused reports whether there were requests on it before.
func (c *Conn) Reused() bool { return c.reused }

// Interrupt makes whatever is done on the connection fail. It may be called on another
// goroutine, while the connection is in use. It can only be closed after.
func (c *Conn) Interrupt() { _ = c.net.SetDeadline(time.Unix(1, 0)) }

// Interrupted reports whether an error is what Interrupt causes.
func Interrupted(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// Close ends the connection.
func (c *Conn) Close() {
	c.free()
	_ = c.net.Close() // it is not used any more
}

// Release gives the connection back for another request, where it is fit for that: the
// answer was read to its end, and nothing follows. The request must have been sent wholly.
func (c *Conn) Release() {
	if !c.body.done || c.Head.Close || c.r != c.w {
		c.Close()
		return
	}
	c.free()
	c.r, c.w, c.reused, c.unread = 0, 0, true, time.Time{}
	c.pool.put(c)
}

// unused returns how long it has been seen idle; the host's lock is held.
func (c *Conn) unused(now time.Time) time.Duration {
	if c.unread.IsZero() {
		c.unread = now
	}
	return now.Sub(c.unread)
}
