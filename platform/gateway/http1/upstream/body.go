package upstream

import (
	"errors"
	"io"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// body is that of an answer.
type body struct {
	length int64
	left   int64
	chunks grammar.Chunks
	done   bool
}

func (b *body) start(h *grammar.Response) {
	b.length, b.left, b.done = h.Length, max(0, h.Length), h.Length == 0
	if b.length == grammar.Chunked {
		b.chunks.Reset()
	}
}

// Left returns how much of a body is still to be read whose length is known; -1: nobody knows.
func (c *Conn) Left() int64 {
	if c.body.length < 0 && !c.body.done {
		return -1
	}
	return c.body.left
}

// Ended reports whether the body was read to its end.
func (c *Conn) Ended() bool { return c.body.done }

// Trailers are the fields after a chunked body that has ended, until the next read.
func (c *Conn) Trailers() []grammar.Field { return c.body.chunks.Trailers }

// Ready returns what has come of the body already, chunks as they came ([grammar.Chunks.Pass])
// if framed says so; else only content. It does not wait: nothing means that there
// is no more now. Of several pieces each is valid until the next call.
func (c *Conn) Ready(framed bool) ([]byte, error) {
	b := &c.body
	if b.done || c.r == c.w {
		return nil, nil
	}
	in := c.room()[c.r:c.w]
	if b.length != grammar.Chunked {
		if b.length >= 0 && int64(len(in)) > b.left {
			in = in[:b.left]
		}
		c.r += len(in)
		if b.length >= 0 {
			b.left -= int64(len(in))
			b.done = b.left == 0
		}
		return in, nil
	}
	var piece []byte
	var used int
	var err error
	if framed {
		var pass int
		pass, used, err = b.chunks.Pass(in)
		piece = in[:pass]
	} else {
		used, piece, err = b.chunks.Next(in)
	}
	if err != nil {
		return nil, err
	}
	c.r += used
	b.done = b.chunks.Ended()
	return piece, nil
}

// Next is Ready, but waits for something when nothing is there: it returns a piece, or nothing
// once the body has ended. The error of one that breaks off is io.ErrUnexpectedEOF, or the connection's.
func (c *Conn) Next(framed bool) ([]byte, error) {
	for {
		p, err := c.Ready(framed)
		if err != nil || len(p) > 0 || c.body.done {
			return p, err
		}
		if c.r > 0 && c.w > c.r { // the beginning of a size line
			room := c.room()
			c.w = copy(room, room[c.r:c.w])
			c.r = 0
		}
		if err := c.fill(); err != nil {
			if !errors.Is(err, io.EOF) {
				return nil, err
			}
			if c.body.length != grammar.UntilClose {
				return nil, io.ErrUnexpectedEOF
			}
			c.body.done = true
			return nil, nil
		}
	}
}

// Reader returns the connection, for the kernel to move the rest of a body of known length
// from: of which [Conn.Moved] is told. Nothing that has come is waiting in memory.
func (c *Conn) Reader() io.Reader { return c.net }

// Moved notes that n bytes of the body were read by somebody else.
func (c *Conn) Moved(n int64) {
	c.body.left -= n
	c.body.done = c.body.left == 0
}

// Size is how much content of a chunked body has come, in bytes.
func (c *Conn) Size() int64 { return c.body.chunks.Size }

// Empty reports whether nothing that has come waits to be read.
func (c *Conn) Empty() bool { return c.r == c.w }

// Try reads what has come in the meantime, without waiting for it, and reports whether
// something had.
func (c *Conn) Try() bool {
	if c.raw == nil {
		return false
	}
	c.hold()
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
	c.n = 0
	_ = c.raw.Read(c.once) // an error comes again with the next read
	if c.n <= 0 {
		return false
	}
	c.w += c.n
	return true
}

// Within reads what comes within a short time. Nobody may interrupt meanwhile.
func (c *Conn) Within(d time.Duration) {
	_ = c.net.SetReadDeadline(time.Now().Add(d)) // a connection that is closed fails the next read
	_ = c.fill()                                 // as above
	_ = c.net.SetReadDeadline(time.Time{})
}
