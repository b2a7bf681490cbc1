package l4

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// waiting is the buffer with which a connection waits for bytes: idle ones are many.
	waiting = 2 << 10
	// flowing is the buffer of one through which they flow; it is borrowed.
	flowing = 64 << 10
)

// errIdle is the end of a connection on which nothing moved for too long.
var errIdle = errors.New("idle for too long")

// pipe is a connection with both its sides. Memory is bounded by its buffers: one side is
// read no faster than the other takes it.
type pipe struct {
	client, instance net.Conn
	idle             atomic.Int64  // ns
	buffers          *sync.Pool    // of *[flowing]byte
	in, out          *atomic.Int64 // bytes from the client, and to it

	moved atomic.Int64 // when something did last, unix ns
}

// run passes bytes both ways, of the client's first those that were read already, until
// both sides have ended or one has failed, and closes both. nil is an end as it should be.
func (p *pipe) run(first []byte) error {
	p.moved.Store(time.Now().UnixNano())
	ended := make(chan error, 1)
	go func() { ended <- p.direct(p.client, p.instance, nil, p.out) }()
	err := p.direct(p.instance, p.client, first, p.in)
	err = errors.Join(err, <-ended)
	_, _ = p.client.Close(), p.instance.Close() // ended, both of them
	return err
}

// direct passes what one side sends to the other until it has no more to send, which the
// other is told. When either fails both are cut off, so that the other direction ends too.
func (p *pipe) direct(to, from net.Conn, first []byte, count *atomic.Int64) error {
	err := p.write(to, first, count)
	if err == nil {
		err = p.copy(to, from, count)
	}
	if errors.Is(err, io.EOF) {
		err = closeWrite(to)
	}
	if err != nil {
		reset(p.client)
		reset(p.instance)
	}
	return err
}

// copy passes bytes until an error, which is io.EOF at the end.
func (p *pipe) copy(to, from net.Conn, count *atomic.Int64) error {
	small := make([]byte, waiting)
	for {
		n, err := p.read(from, small)
		if err == nil {
			err = p.write(to, small[:n], count)
		}
		if err == nil && n == len(small) {
			err = p.flow(to, from, count)
		}
		if err != nil {
			return err
		}
	}
}

// flow is copy with a large buffer, while it is put to use.
func (p *pipe) flow(to, from net.Conn, count *atomic.Int64) error {
	large, ok := p.buffers.Get().(*[flowing]byte)
	if !ok {
		large = new([flowing]byte)
	}
	defer p.buffers.Put(large)
	for {
		n, err := p.read(from, large[:])
		if err != nil {
			return err
		}
		if err := p.write(to, large[:n], count); err != nil || n <= waiting {
			return err
		}
	}
}

// read returns at least a byte or an error.
func (p *pipe) read(from net.Conn, b []byte) (int, error) {
	for {
		n, err := from.Read(b)
		if n > 0 {
			p.moved.Store(time.Now().UnixNano())
			return n, nil // an error comes again
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return 0, err
		}
		if err := p.more(from.SetReadDeadline); err != nil {
			return 0, err
		}
	}
}

// write writes all of b or returns an error.
func (p *pipe) write(to net.Conn, b []byte, count *atomic.Int64) error {
	for len(b) > 0 {
		n, err := to.Write(b)
		b = b[n:]
		if n > 0 {
			count.Add(int64(n))
			p.moved.Store(time.Now().UnixNano())
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = p.more(to.SetWriteDeadline)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// more gives a side that ran into its deadline more time, when something moved since the
// deadline was set: so one is set once in a while instead of with each read and write.
func (p *pipe) more(set func(time.Time) error) error {
	for {
		idle := p.idle.Load()
		until := time.Unix(0, p.moved.Load()+idle)
		if !time.Now().Before(until) {
			return errIdle
		}
		if err := set(until); err != nil || p.idle.Load() == idle {
			return err
		}
	}
}

// hurry makes the bound of silence a shorter one.
func (p *pipe) hurry(idle time.Duration) {
	p.idle.Store(int64(idle)) // before the deadlines: see more
	_ = p.begin()             // ended already, if it fails
}

// begin sets the deadlines that more goes on with.
func (p *pipe) begin() error {
	until := time.Now().Add(time.Duration(p.idle.Load()))
	return errors.Join(p.client.SetDeadline(until), p.instance.SetDeadline(until))
}

// closeWrite tells a side that no more comes. A connection that knows no such thing is
// closed.
func closeWrite(c net.Conn) error {
	half, ok := c.(interface{ CloseWrite() error })
	if !ok {
		return c.Close()
	}
	if err := half.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// reset ends a connection at once; the other end sees that it was not an ordinary end.
func reset(c net.Conn) {
	if tcp, ok := c.(interface{ SetLinger(sec int) error }); ok {
		_ = tcp.SetLinger(0) // it is gone already
	}
	_ = c.Close() // as above
}
