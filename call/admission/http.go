package admission

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// largeAnswer is how much of an answer's body may be written before its call counts as
// carried out: what follows goes as fast as its client reads.
const largeAnswer = 256 << 10

// Handler admits requests before next sees them. The request's priority comes from
// [resilience.PriorityHeader] (Normal where there is none or a wrong one) and is in the
// context that next sees; the caller's deadline is the context's, so that call's
// ReceiveDeadline, or whatever reads the deadline, belongs outside. Who is turned away
// is answered 503 with Retry-After and [resilience.ShedHeader], or 504 when its deadline
// has passed; who asks for more than Config.Quota lets it, 429 with Retry-After,
// RateLimit-Policy and RateLimit.
//
// /livez, /readyz, /startupz and what is below /.muster are always let in and not
// counted: whoever operates the server must not be kept out by its load.
//
// A request counts while it makes work: until next returns, or flushes its answer for the
// first time (a stream: events, a log that is followed), takes over the connection, or
// has written 256 KiB. One that is going to wait for something to happen, as in long
// polling, says so by [Release].
func (c *Controller) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if operating(r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		if c.quota.On() {
			if err := c.quota.Admit(time.Now(), r.Header.Get(discovery.CallerHeader)); err != nil {
				refuse(w, r, err)
				return
			}
		}
		ctx := r.Context()
		p := resilience.PriorityOf(ctx)
		if text := r.Header.Get(resilience.PriorityHeader); text != "" {
			p, _ = resilience.ParsePriority(text) // Normal where it is none
			ctx = resilience.WithPriority(ctx, p)
		}
		slot, err := c.Admit(ctx, p)
		if err != nil {
			refuse(w, r, err)
			return
		}
		counted := &answer{ResponseWriter: w, slot: slot}
		outcome := Failed // when next panics
		defer func() { slot.End(outcome) }()
		next.ServeHTTP(counted, r.WithContext(context.WithValue(ctx, slotKey{}, slot)))
		switch {
		case errors.Is(ctx.Err(), context.DeadlineExceeded):
			outcome = Late
		case ctx.Err() == nil && counted.status < 400:
			outcome = Done
		}
	})
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if over, ok := errors.AsType[*quota.Over](err); ok {
		policy, limit := over.Fields()
		w.Header().Set("RateLimit-Policy", policy)
		w.Header().Set("RateLimit", limit)
		problem.Write(w, r, over.Problem())
		return
	}
	shed, ok := errors.AsType[*Shed](err)
	if !ok {
		problem.Write(w, r, err)
		return
	}
	if shed.busy() {
		w.Header().Set(resilience.ShedHeader, "1")
	}
	problem.Write(w, r, shed.problem(problem.Unavailable))
}

// busy reports whether the call was turned away for want of room.
func (s *Shed) busy() bool {
	return s.Reason == ShedQueueFull || s.Reason == ShedWaited
}

func operating(path string) bool {
	switch path {
	case "/livez", "/readyz", "/startupz", "/.muster":
		return true
	}
	return strings.HasPrefix(path, "/.muster/")
}

type slotKey struct{}

// Release gives back the slot of the call that ctx belongs to: from here on it only
// waits, as a long poll does, and takes no room from others. It does nothing where the
// call has none. Safe for concurrent use.
func Release(ctx context.Context) {
	if s, ok := ctx.Value(slotKey{}).(*Slot); ok {
		s.End(Failed)
	}
}

// answer notes the status, and when a request stops being work.
type answer struct {
	http.ResponseWriter
	slot    *Slot
	status  int // 0: the answer has not begun
	written int
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.written += len(p); a.written > largeAnswer {
		a.slot.End(Done)
	}
	return a.ResponseWriter.Write(p)
}

// ReadFrom keeps what io.Copy saves on a connection of net/http.
func (a *answer) ReadFrom(r io.Reader) (int64, error) {
	if n, err := strconv.Atoi(a.Header().Get("Content-Length")); err != nil || n > largeAnswer {
		a.slot.End(Done)
	}
	return io.Copy(a.ResponseWriter, r)
}

func (a *answer) FlushError() error {
	a.slot.End(Done)
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// Flush is for handlers that ask for an http.Flusher.
func (a *answer) Flush() { _ = a.FlushError() }

// Hijack hands over the connection where it has one of its own, as in HTTP/1.1.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil {
		a.slot.End(Done)
	}
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach what else the writer can do.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
