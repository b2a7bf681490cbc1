package nethttp

import (
	"net/http"
	"time"
)

// writer is a ResponseWriter, each of whose writes is bounded. In HTTP/1 the server lifts the
// deadline at the request's end.
type writer struct {
	http.ResponseWriter

	patience *patience
	begun    bool
	old      bool        // HTTP/1
	alarm    *time.Timer // HTTP/2: a deadline there is a message to the connection's one goroutine
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
		w.patience.answers()
		if w.old && (w.patience.unread() || w.patience.leaving.Load()) {
			w.Header().Set("Connection", "close")
		}
	}
	w.bound()
	w.ResponseWriter.WriteHeader(status)
	w.written()
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.bound()
	n, err := w.ResponseWriter.Write(b)
	w.written()
	return n, err
}

// FlushError sends what is buffered.
func (w *writer) FlushError() error {
	if !w.begun {
		w.WriteHeader(http.StatusOK)
	}
	w.bound()
	err := w.patience.control.Flush()
	w.written()
	return err
}

func (w *writer) bound() {
	p := w.patience
	switch {
	case w.old:
		_ = p.control.SetWriteDeadline(time.Now().Add(p.stall)) // a connection that is gone fails the write itself
	case w.alarm == nil:
		w.alarm = time.AfterFunc(p.stall, p.stuck)
	default:
		w.alarm.Reset(p.stall)
	}
}

func (w *writer) written() {
	if w.alarm != nil {
		w.alarm.Stop()
	}
}

// end is called when the handler has returned. The server of HTTP/2 now writes what it still
// holds, for which net/http itself has no bound: a client may open no window for it.
func (w *writer) end() {
	if !w.old {
		_ = w.patience.control.SetWriteDeadline(time.Now().Add(w.patience.stall)) // as in bound
	}
}

// stuck ends a write of HTTP/2 that the client does not take.
func (p *patience) stuck() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.over {
		_ = p.control.SetWriteDeadline(time.Unix(1, 0)) // resets the stream
	}
}
