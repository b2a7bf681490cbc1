package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/problem"
)

// explain says what a call's error means.
func (s *session) explain(err error) error {
	var seen proxy.Seen
	over := s.turn.Context().Err()
	switch {
	case over == nil:
	case errors.Is(over, context.Canceled):
		seen.Client = context.Canceled
	case s.timeUp():
		seen.Client = context.DeadlineExceeded
	case s.up.stalled():
		seen.Body = errStalled
	default:
		seen.Cause = proxy.ErrSilent
	}
	if fault := s.up.failed(); fault != nil {
		if gone(fault) {
			seen.Client = context.Canceled
		} else {
			seen.Body = s.bodyFault(fault)
		}
	}
	if failed, ok := errors.AsType[*call.Failed](err); ok && seen.Body != nil {
		failed.Sent = true // whatever did not come was the client's
	}
	return s.relay.cfg.Gateway.Explain(&s.x, err, seen)
}

// unfit reports whether an attempt failed as there was no body to be sent: that is the
// client's fault, and must not count against an instance or a service. over is the end of the
// request; nil: it has not ended.
func (s *session) unfit(over error) bool {
	return s.up.failed() != nil || over != nil && !errors.Is(over, context.Canceled) && !s.timeUp() && s.up.stalled()
}

// timeUp reports whether the time that the client allows has passed.
func (s *session) timeUp() bool {
	at, ok := s.turn.Context().Deadline()
	return ok && time.Until(at) < early
}

// early is how much too soon a wait may be ended: the engine's clock is a coarse one.
const early = 30 * time.Millisecond

// unread says what is wrong with a body that could not be read before the call.
func (s *session) unread(err error) error {
	if gone(err) {
		return problem.Wrap(err, problem.Canceled, "the client went away before the answer")
	}
	return s.bodyFault(err)
}

func (s *session) bodyFault(err error) error {
	if errors.Is(err, http1.ErrTooLarge) {
		return proxy.TooLarge(s.x.Request.MaxBody)
	}
	return proxy.BodyFault(err)
}

// gone reports whether an error is that of a client whose connection has ended.
func gone(err error) bool {
	_, fault := errors.AsType[*grammar.Fault](err)
	return !fault && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, http1.ErrTooLarge)
}

// fail answers a request that got no answer from an instance.
func (s *session) fail(err error) {
	t, x, g := s.turn, &s.x, s.relay.cfg.Gateway
	if s.written {
		x.Err = err
		t.Break()
		return
	}
	s.up.answer()
	list, body := g.Refusal(x, err, view(t.Head.Path))
	if x.Status == 499 {
		t.Last()
		t.Break()
		return
	}
	if !s.taken() || t.Head.Expect100 {
		t.Last()
	}
	g.Answer(x, x.Status, &list)
	out := statusLine(t.Out[:0], x.Status, http.StatusText(x.Status))
	for _, f := range list {
		if !strings.EqualFold(f.Name, "Content-Length") { // said below, once, whoever said it
			out = appendLine(out, f.Name, inLine(f.Value))
		}
	}
	out = s.ending(out, false)
	out = appendLength(out, int64(len(body)), x.Status)
	out = append(out, '\r', '\n')
	if x.Request.Method != http.MethodHead {
		out = append(out, body...)
	}
	t.Out = out
	s.written = true
	if _, werr := t.Write(out); werr == nil && x.Request.Method != http.MethodHead {
		x.Bytes = int64(len(body))
	}
}

// taken reports whether nothing is left of the request's body. Where another goroutine reads
// that, it is the one to know.
func (s *session) taken() bool {
	if s.up != nil && s.up.begun {
		return s.up.over()
	}
	_, whole := s.turn.Whole()
	return whole
}

// errStalled is a body of which nothing more came, or too little.
var errStalled = fmt.Errorf("too little of the body came: %w", os.ErrDeadlineExceeded)
