package http1

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/pace"
)

// errStalled is a client that took or sent nothing for too long.
var errStalled = errors.New("the client stalled")

// body is that of the request under way.
type body struct {
	left   int64 // of one whose length is known
	chunks grammar.Chunks
	open   bool  // it is chunked
	done   bool  // read to its end
	bound  int64 // 0: none
	sender pace.Sender
	buf    []byte // of a body that is longer than what came with its head
	r, w   int
	rest   []byte // what came after its end, where that is in buf
	last   []byte

	reader chan struct{} // closed when the goroutine that reads it has ended; nil: there is none
}

func (b *body) start(t *Turn) {
	b.open, b.done, b.left = t.Head.Length == grammar.Chunked, t.Head.Length == 0, max(0, t.Head.Length)
	b.rest, b.bound, b.reader, b.r, b.w = nil, 0, nil, 0, 0
	if b.open {
		b.chunks.Reset()
	}
	if !b.done {
		b.sender.Begin(t.conn.engine.cfg.Least, t.w-t.r)
	}
}

func (b *body) ended() bool { return b.done }

// free gives back what is held.
func (b *body) free() { b.rest, b.buf, b.r, b.w = nil, nil, 0, 0 }

// ErrTooLarge is a body beyond the bound.
var ErrTooLarge = errors.New("the body of the request is too large")

// Bound has reading a body beyond so many bytes fail with ErrTooLarge; 0: there is no bound.
func (t *Turn) Bound(most int64) { t.body.bound = most }

// Least has another rate hold for the body than the engine's, as [pace.Least] has it. It is
// called before the body is read.
func (t *Turn) Least(rate int64) { t.body.sender.At(rate) }

// Patience is how long the client may send nothing now: who reads the body on another
// goroutine asks before each piece, and waits no longer.
func (t *Turn) Patience() time.Duration {
	return t.body.sender.Within(t.conn.engine.cfg.StallTimeout)
}

// Whole returns a body that has come already, nil when there is none; false when there is
// more to read. It counts as read.
func (t *Turn) Whole() (content []byte, ok bool) {
	b := &t.body
	switch {
	case b.done:
		return nil, true
	case b.open || int64(t.w-t.r) < b.left:
		return nil, false
	}
	content = t.buf[t.r : t.r+int(b.left)]
	t.r += int(b.left)
	b.left, b.done = 0, true
	return content, true
}

// Gather reads a body whose length is known to its end, into memory: the client has to send
// it without stalling, and at the least rate.
func (t *Turn) Gather() ([]byte, error) {
	whole := make([]byte, 0, min(t.body.left, 4<<10)) // no more than comes is held for who sends slowly
	for {
		p, err := t.Piece()
		whole = append(whole, p...)
		if errors.Is(err, io.EOF) {
			return whole, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// Piece returns the next piece of the body as it is to be written to an instance, chunks
// with their framing; io.EOF comes with the last one or after it. It is valid until the next. An error is
// a [*grammar.Fault], [ErrTooLarge] or that of the connection. One goroutine reads a body,
// which may be another than that of Serve if [Turn.Reading] says so.
func (t *Turn) Piece() ([]byte, error) {
	b := &t.body
	switch {
	case b.done:
		return nil, io.EOF
	case b.open:
		return t.chunk()
	}
	p, err := t.some(b.left)
	if b.left -= int64(len(p)); b.left == 0 {
		b.done = true
		return p, io.EOF
	}
	return p, err
}

// some returns what has come, at most n bytes.
func (t *Turn) some(n int64) ([]byte, error) {
	if t.r < t.w {
		p := t.buf[t.r:t.w]
		if int64(len(p)) > n {
			p = p[:n]
		}
		t.r += len(p)
		return p, nil
	}
	b := &t.body
	if b.buf == nil {
		b.buf = make([]byte, bufferSize)
	}
	got, err := t.read(b.buf[:min(int64(len(b.buf)), n)])
	if got > 0 {
		return b.buf[:got], nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return nil, err
}

// read reads more of the body. Where it is Serve's goroutine that does, the client has to send
// something in time; who reads on another bounds that by the wait under way.
func (t *Turn) read(p []byte) (int, error) {
	b, c := &t.body, t.conn
	began := c.engine.now.Load()
	if b.reader == nil {
		c.enter(reading, t.Patience())
	}
	n, err := c.net.Read(p)
	if b.reader == nil && !c.enter(busy, 0) && n == 0 {
		err = os.ErrDeadlineExceeded
	}
	b.sender.Waited(time.Duration(c.engine.now.Load()-began)*time.Millisecond, n)
	return n, err
}

// chunk returns the next piece of a chunked body.
func (t *Turn) chunk() ([]byte, error) {
	b := &t.body
	for {
		in := t.buf[t.r:t.w]
		if b.buf != nil {
			in = b.buf[b.r:b.w]
		}
		pass, used, err := b.chunks.Pass(in)
		if err == nil && b.bound > 0 && b.chunks.Size > b.bound {
			err = ErrTooLarge
		}
		if err != nil {
			return nil, err
		}
		t.used(used)
		if b.chunks.Ended() {
			b.last = append(b.last[:0], in[:pass]...)
			// A client's trailers end here, as they do on net/http: some programs would take
			// them for fields of the head, where the edge drops what it does not believe.
			b.last = append(b.last, "0\r\n\r\n"...)
			if b.done = true; b.buf != nil {
				b.rest = b.buf[b.r:b.w]
			}
			return b.last, io.EOF
		}
		if pass > 0 {
			return in[:pass], nil
		}
		if err := t.more(); err != nil {
			return nil, err
		}
	}
}

func (t *Turn) used(n int) {
	if t.body.buf != nil {
		t.body.r += n
	} else {
		t.r += n
	}
}

// more reads more of a chunked body behind what is there of it.
func (t *Turn) more() error {
	b := &t.body
	if b.buf == nil {
		b.buf = make([]byte, bufferSize)
		b.r, b.w = 0, copy(b.buf, t.buf[t.r:t.w])
		t.r = t.w
	} else if b.r > 0 {
		b.r, b.w = 0, copy(b.buf, b.buf[b.r:b.w])
	}
	n, err := t.read(b.buf[b.w:])
	if b.w += n; n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Reading says that the body is read on another goroutine from now on, until the function
// that it returns is called there. When Serve returns before, reading is made to fail.
func (t *Turn) Reading() (ended func()) {
	done := make(chan struct{})
	t.body.reader = done
	return func() { close(done) }
}

// Halt makes reading the body on another goroutine fail, and waits until it has ended.
func (t *Turn) halt() {
	if t.body.reader == nil {
		return
	}
	select {
	case <-t.body.reader:
	default:
		t.closes = true
		_ = t.conn.net.SetReadDeadline(time.Unix(1, 0)) // one that is closed fails itself
		<-t.body.reader
		_ = t.conn.net.SetReadDeadline(time.Time{})
	}
	t.body.reader = nil
}
