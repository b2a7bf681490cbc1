package nethttp

import (
	"io"
	"net/http"
	"sync"
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

	mu    sync.Mutex
	over  bool // the handler has returned: deadlines are the server's again
	atEnd bool // the body was read to its end
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
	if p.body == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.over = true
	if !p.atEnd {
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
	p.mu.Unlock()

	n, err := p.body.Read(buf)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.atEnd = p.atEnd || err == io.EOF
	if !p.over {
		// Lifted, as the next read may come late; and net/http watches for the client
		// going away by a read of its own.
		_ = p.control.SetReadDeadline(time.Time{}) // as above
	}
	return n, err
}

func (b *body) Close() error { return b.body.Close() }

// writer is a ResponseWriter, each of whose writes is bounded. The server lifts the
// deadline at the request's end.
type writer struct {
	http.ResponseWriter

	patience *patience
	begun    bool
}

// Unwrap lets http.ResponseController find the rest.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader begins the answer. One that overtakes its request's body is the last of
// its connection: net/http, once a handler reads and writes at the same time, does not
// look whether the rest of the body can be read, and would take what it could not for
// the next request.
func (w *writer) WriteHeader(status int) {
	if status >= http.StatusOK && !w.begun {
		w.begun = true
		if w.patience.unread() {
			w.Header().Set("Connection", "close")
		}
	}
	w.bound()
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.bound()
	return w.ResponseWriter.Write(b)
}

// FlushError sends what is buffered.
func (w *writer) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.bound()
	return w.patience.control.Flush()
}

func (w *writer) bound() {
	_ = w.patience.control.SetWriteDeadline(time.Now().Add(w.patience.stall)) // a connection that is gone fails the write itself
}
