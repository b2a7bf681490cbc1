package grammar

import (
	"bytes"
	"math"
)

// Chunks reads a chunked body (RFC 9112, 7.1) from the slices that a connection delivers. Its
// zero value is at the beginning of a body; Reset begins the next. Not for concurrent use.
//
// Call [Chunks.Next] for the content alone or [Chunks.Pass] to pass the framing on as it is,
// or both in turns, each time with the bytes that were not used the last time and more after
// them. Of bytes that are not used there are never more than the trailer section may have.
type Chunks struct {
	Bounds Bounds // MaxTrailer and MaxFields

	// Answer: the body is an instance's; faults have the status 502.
	Answer bool
	// Size is how much content came so far, in bytes.
	Size int64
	// Trailers are the fields after the last chunk, once Ended: parts of the last buf. None
	// of them is about framing, routing, authentication or the connection (RFC 9110,
	// 6.5.1): those are faults.
	Trailers []Field

	state chunkState
	left  int64 // of the chunk's content
	tail  scan
}

// chunkState is what comes next.
type chunkState uint8

const (
	atSize chunkState = iota
	inContent
	atChunkEnd
	inTrailer
	ended
)

// Next reads on. It has used the first used bytes of buf, of which data, a run at their end,
// is content; nil when there is none. When it used nothing and the body has not ended it
// needs more bytes than buf has. Call it until then, or until Ended.
func (c *Chunks) Next(buf []byte) (used int, data []byte, err error) {
	for {
		if c.state == inContent {
			n := c.content(len(buf) - used)
			if n > 0 {
				data = buf[used : used+n]
			}
			return used + n, data, nil
		}
		n, f := c.step(buf[used:])
		if f != 0 {
			return used, nil, c.fault(f)
		}
		if used += n; n == 0 {
			return used, nil, nil
		}
	}
}

// Pass reads on as far as buf goes. It has used the first used bytes, of which the first pass
// may be written to the other side as they are: chunks in the one plain form, without
// extensions, and never the last chunk or trailers, which may be used but are not passed.
// When the body has Ended the caller writes "0\r\n", the trailers that it lets through, and
// "\r\n". What is not used is the beginning of a line.
func (c *Chunks) Pass(buf []byte) (pass, used int, err error) {
	pass = -1
	for {
		var n int
		var f fault
		if c.state == inContent {
			n = c.content(len(buf) - used)
		} else {
			if c.state == inTrailer && pass < 0 {
				pass = used // the last chunk came before
			}
			before := used
			n, f = c.step(buf[used:])
			if c.state == inTrailer && pass < 0 {
				pass = before
			}
		}
		if f == 0 && n > 0 {
			used += n
			continue
		}
		if pass < 0 {
			pass = used
		}
		if f != 0 {
			return pass, used, c.fault(f)
		}
		return pass, used, nil
	}
}

// Ended reports whether the body is complete. What follows it in buf belongs to the next message.
func (c *Chunks) Ended() bool { return c.state == ended }

// Reset begins another body. Bounds and Answer stay.
func (c *Chunks) Reset() {
	tail := c.tail
	tail.begun = false
	*c = Chunks{Bounds: c.Bounds, Answer: c.Answer, Trailers: c.Trailers[:0], tail: tail}
}

func (c *Chunks) fault(f fault) error {
	if c.Answer {
		return f.ofAnswer()
	}
	return f.ofRequest()
}

// content takes up to n bytes of a chunk's content.
func (c *Chunks) content(n int) int {
	n = int(min(int64(n), c.left))
	c.left -= int64(n)
	c.Size += int64(n)
	if c.left == 0 {
		c.state = atChunkEnd
	}
	return n
}

// step reads what comes between contents; 0: it is not all there, or the body has ended.
func (c *Chunks) step(b []byte) (n int, f fault) {
	switch c.state {
	case atSize:
		n, c.left, f = chunkSize(b)
		if n > 0 {
			c.state = inContent
			if c.left == 0 {
				c.state = inTrailer
			}
		}
	case atChunkEnd:
		if len(b) > 0 && b[0] != '\r' || len(b) > 1 && b[1] != '\n' {
			return 0, badChunkEnd
		}
		if len(b) > 1 {
			n, c.state = 2, atSize
		}
	case inTrailer:
		n, f = c.trailer(b)
		if n > 0 {
			c.state = ended
		}
	}
	return n, f
}

// chunkSize reads SIZE CRLF (RFC 9112, 7.1). Extensions are refused (7.1.1 lets a recipient
// bound them): nobody uses them but those who look for programs that read them differently.
func chunkSize(b []byte) (n int, size int64, f fault) {
	for i, c := range b {
		switch {
		case class[c]&inHex != 0:
			if i == 16 || size > 1<<59-1 {
				return 0, 0, badChunkSize
			}
			size = size<<4 | int64(hex(c))
		case c == '\r' && i > 0:
			if i+1 == len(b) {
				return 0, 0, 0
			}
			if b[i+1] != '\n' {
				return 0, 0, badChunkSize
			}
			return i + 2, size, 0
		case c == ';' && i > 0:
			return 0, 0, extension
		default:
			return 0, 0, badChunkSize
		}
	}
	return 0, 0, 0
}

func hex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}

// trailer reads the trailer section (RFC 9112, 7.1.2), once it is all there.
func (c *Chunks) trailer(b []byte) (n int, f fault) {
	if !c.tail.begun || len(b) < c.tail.seen {
		c.tail.begin(0)
	}
	n, f = c.tail.end(b, c.Bounds.trailer(), c.Bounds.fields(), math.MaxInt)
	if f == longHead {
		f = longTrailer
	}
	if f != 0 || n == 0 {
		return 0, f
	}
	c.Trailers = c.Trailers[:0]
	start := 0
	for _, end := range c.tail.ends {
		c.Trailers = grow(c.Trailers)
		field := &c.Trailers[len(c.Trailers)-1]
		if f := parseField(b[start:end], field); f != 0 {
			return 0, f
		}
		if field.Kind != Other || !trails(field.Name) {
			return 0, badTrailer
		}
		start = end + 2
	}
	return n, 0
}

// neverTrail are fields that mean something before a body is read (RFC 9110, 6.5.1): about
// routing, authentication, the representation, what is to be done. Who would take them from the
// trailers would decide differently from who has read the head.
var neverTrail = [...]string{
	"accept", "authorization", "cookie", "set-cookie", "www-authenticate", "authentication-info",
	"cache-control", "pragma", "expires", "age", "vary", "date", "location", "retry-after", "max-forwards",
	"content-encoding", "content-type", "content-range", "content-location", "range", "forwarded", "x-real-ip",
}

func trails(name []byte) bool {
	for _, never := range neverTrail {
		if Fold(name, never) {
			return false
		}
	}
	return !hasPrefix(name, "if-") && !hasPrefix(name, "x-forwarded-") && bytes.IndexByte(name, '_') < 0
}

func hasPrefix(name []byte, lower string) bool {
	return len(name) >= len(lower) && Fold(name[:len(lower)], lower)
}
