package nethttp

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// patience bounds how long one request's client may stall, by a deadline for each
// read and write. Timeouts of http.Server bound a whole request and would end
// streams and long transfers that are well.
type patience struct {
	control *http.ResponseController
	stall   time.Duration
	linger  time.Duration
	body    io.ReadCloser // nil when there is none to bound
	leaving *atomic.Bool  // the answer is to be the last of its connection

	mu    sync.Mutex
	over  bool // the handler has returned: deadlines are the server's again
	atEnd bool // the body was read to its end
	pacing
}

// unread reports whether there is a body that was not read to its end.
func (p *patience) unread() bool {
	if p.body == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.atEnd
}

// end is called when the handler has returned. The server now reads what is left of
// the body, for which net/http itself has no bound.
func (p *patience) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if p.body != nil && !p.atEnd {
		_ = p.control.SetReadDeadline(time.Now().Add(p.linger)) // a connection that is gone needs none
	}
}

// body is a request's body, each of whose reads is bounded.
type body patience

func (b *body) Read(buf []byte) (int, error) {
	p := (*patience)(b)
	p.mu.Lock()
	if p.over {
		p.mu.Unlock()
		return 0, http.ErrBodyReadAfterClose
	}
	_ = p.control.SetReadDeadline(time.Now().Add(p.stall)) // a connection that is gone fails the read itself
	p.wait()
	p.mu.Unlock()

	n, err := p.body.Read(buf)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.atEnd = p.atEnd || err == io.EOF
	p.waited(n)
	if !p.over {
		// Lifted, as the next read may come late; and net/http watches for the client
		// going away by a read of its own.
		_ = p.control.SetReadDeadline(time.Time{}) // as above
	}
	return n, err
}

func (b *body) Close() error { return b.body.Close() }
