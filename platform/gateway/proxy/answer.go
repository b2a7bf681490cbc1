package proxy

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

const (
	bufferSize = 32 << 10
	// headerPatience is how long a header waits for the first bytes of a body that
	// streams, so that both may leave in one packet.
	headerPatience = time.Millisecond
)

// answer passes the instance's answer on.
func (t *transit) answer(res *http.Response) error {
	h := t.w.Header()
	inbound(h, res.Header)
	h[observe.RequestIDHeader] = []string{t.Request.ID}
	announced := len(res.Trailer)
	for name := range res.Trailer {
		h.Add("Trailer", name)
	}
	t.Status = res.StatusCode
	t.noteGRPC(res.Header)

	if res.ContentLength == 0 || t.Request.Method == http.MethodHead {
		t.begin()
	} else if err := t.copyBody(res); err != nil {
		return err
	}
	if len(res.Trailer) > 0 {
		// Sent now, so that net/http makes no Content-Length of a short body, which
		// would leave no place for trailers.
		_ = t.control.Flush() // a client that is gone needs none
	}
	for name, values := range res.Trailer {
		if len(res.Trailer) != announced {
			name = http.TrailerPrefix + name
		}
		h[name] = values
	}
	t.noteGRPC(res.Trailer)
	return nil
}

// begin writes the header of the answer, once.
func (t *transit) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.beginLocked()
}

func (t *transit) beginLocked() {
	if !t.written {
		t.written = true
		t.w.WriteHeader(t.Status) // after which net/http tells no client to go on
		t.body.want()
	}
}

// noteGRPC reads the status of a gRPC answer, for log and metrics.
func (t *transit) noteGRPC(h http.Header) {
	if v := h["Grpc-Status"]; t.grpc && len(v) == 1 {
		if n, err := strconv.Atoi(v[0]); err == nil && n >= 0 && n <= math.MaxUint16 {
			t.GRPC = n
		}
	}
}

// copyBody writes header and body. A body of known length is buffered as net/http
// likes; any other is a stream, whose every piece leaves at once.
func (t *transit) copyBody(res *http.Response) error {
	streams := res.ContentLength < 0
	if streams {
		defer t.flushSoon(res)()
	}
	buf, ok := t.gateway.buffers.Get().(*[bufferSize]byte)
	if !ok {
		buf = new([bufferSize]byte)
	}
	defer t.gateway.buffers.Put(buf)
	for {
		n, readErr := res.Body.Read(buf[:])
		if n > 0 || readErr == nil || errors.Is(readErr, io.EOF) {
			t.begin()
		}
		if n > 0 {
			if err := t.write(buf[:n], streams && readErr == nil); err != nil {
				return problem.Wrap(err, problem.Canceled, "the client went away before the end of the answer")
			}
		}
		if errors.Is(readErr, io.EOF) {
			return nil
		}
		if readErr != nil {
			return t.brokeOff(readErr)
		}
	}
}

func (t *transit) write(p []byte, flush bool) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err := t.w.Write(p)
	if err == nil && flush {
		err = t.control.Flush()
	}
	return err
}

// flushSoon sends the header of a stream: at once where streams are what the type is
// for, else when no body has come for a moment. It returns what ends that.
func (t *transit) flushSoon(res *http.Response) (end func()) {
	over := false
	flush := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if !over {
			t.beginLocked()
			_ = t.control.Flush() // a client that is gone fails the next write
		}
	}
	if t.grpc || strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		flush()
		return func() {}
	}
	timer := time.AfterFunc(headerPatience, flush)
	return func() {
		timer.Stop()
		t.mu.Lock()
		defer t.mu.Unlock()
		over = true // a flush that had begun has ended
	}
}

// brokeOff says what the end of an instance's body before its time means.
func (t *transit) brokeOff(err error) error {
	if t.in.Context().Err() != nil {
		return problem.Wrap(err, problem.Canceled, "the client went away before the end of the answer")
	}
	t.Broken = true
	return problem.Wrap(err, problem.Unknown, "service %q broke off in the middle of its answer", t.Target.Service)
}
