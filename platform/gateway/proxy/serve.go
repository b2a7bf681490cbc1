package proxy

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/problem"
)

// transit is one request in the hands of net/http.
type transit struct {
	Exchange

	gateway  *Gateway
	w        http.ResponseWriter
	control  *http.ResponseController
	in       *http.Request
	grpc     bool        // a gRPC request, answered in gRPC's way
	body     *clientBody // nil without one
	trace    httptrace.ClientTrace
	switches []string // the protocols that the client would switch to

	mu       sync.Mutex // guards the answer's header against interim answers
	answered bool       // the instance's final answer is here
	written  bool       // the client's answer has begun
}

// errSilent is the cause of a call that AnswerTimeout ended. By what it wraps the Caller
// knows that it was not the client who gave up.
var errSilent = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)

// ServeHTTP passes a request to the service its route names.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &transit{gateway: g, w: w, control: http.NewResponseController(w), in: r, grpc: isGRPC(r)}
	g.Begin(&t.Exchange, r.Method, r.Header.Get(observe.RequestIDHeader))
	t.RPC = t.grpc
	defer t.end()
	if sc := trace.SpanContextFromContext(r.Context()); sc.HasTraceID() {
		t.TraceID = sc.TraceID().String()
	}
	w.Header()[observe.RequestIDHeader] = []string{t.RequestID}
	if r.Header.Get(call.DeadlineHeader) == "" || t.grpc {
		t.serve()
		return
	}
	call.ReceiveDeadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.in = r
		t.serve()
	})).ServeHTTP(w, r)
	if t.Status == 0 { // refused, and answered by ReceiveDeadline
		t.Path, t.Status = rawPath(r), http.StatusBadRequest
		t.Err = problem.New(problem.InvalidArgument, "header %s is not valid", call.DeadlineHeader)
	}
}

func (t *transit) serve() {
	if err := t.pass(); err != nil {
		t.fail(err)
	}
}

// pass returns what kept the client from getting an answer.
func (t *transit) pass() (err error) {
	r := t.in
	if err := t.gateway.Route(&t.Exchange, r.Host, rawPath(r)); err != nil {
		return err
	}
	if err := t.check(); err != nil {
		return err
	}
	op := t.Op("")
	priority := t.priority(op)
	valve := t.gateway.cfg.Valve
	if err := valve.enter(priority); err != nil {
		t.w.Header().Set(resilience.ShedHeader, "1")
		return err
	}
	defer valve.leave()
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	silence := &silence{after: t.gateway.cfg.AnswerTimeout, end: func() { cancel(errSilent) }}
	if !t.grpc {
		silence.begin()
		defer silence.stop()
	}
	if r.ProtoMajor == 1 && r.ProtoMinor > 0 { // HTTP/1.0 has none, HTTP/2 another
		t.switches = slices.DeleteFunc(upgrades(r.Header), isHTTP2)
	}
	header := t.outbound()
	op.Idempotent = call.Idempotent(t.Method, header.Get("Idempotency-Key"))
	if priority != resilience.Normal {
		ctx = resilience.WithPriority(ctx, priority)
	}
	ctx, asked := t.asks(ctx, header, op)
	defer func() { asked(err) }()
	t.trace = httptrace.ClientTrace{
		GetConn:        t.attempts,
		Got1xxResponse: t.interim,
	}
	out := r.WithContext(httptrace.WithClientTrace(ctx, &t.trace))
	out.Header, out.Trailer = header, nil
	out.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
	out.RequestURI, out.Close, out.TransferEncoding = "", false, nil
	if err := t.setBody(out, op.Idempotent, silence); err != nil {
		return err
	}
	res, err := t.gateway.cfg.Caller.RoundTrip(out, op)
	t.mu.Lock()
	t.answered = true
	t.mu.Unlock()
	silence.stop()
	if err != nil {
		return t.explain(ctx, err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusSwitchingProtocols {
		return t.switchProtocols(ctx, res)
	}
	if res.StatusCode < 200 || res.StatusCode > 599 { // net/http reads what it does not write (RFC 9110, 15)
		t.gateway.cfg.Faults.ErrorContext(ctx, "an instance answered with a status that is none",
			"status", res.StatusCode, "service", t.Target.Service, "instance", t.Instance, "path", t.Path)
		return problem.New(problem.Unknown, "service %q answered with the status %d, which is none; it is not known whether it did what was asked",
			t.Target.Service, res.StatusCode)
	}
	return t.answer(res)
}

// priority is that of the work the request is made for: a program of the fleet says it, a
// request from outside has what its route gives it.
func (t *transit) priority(op call.Op) resilience.Priority {
	if !t.inside {
		return t.gateway.cfg.Caller.Priority(op)
	}
	p, err := resilience.ParsePriority(t.in.Header.Get(resilience.PriorityHeader))
	if err != nil {
		return resilience.Normal // there is none, or one that nobody understands
	}
	return p
}

// attempts notes an attempt; two may be made at a time, and one that lost begin late.
func (t *transit) attempts(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.answered {
		t.gateway.Attempt(&t.Exchange, addr)
	}
}

// check refuses what the edge does not pass on although it has a route.
func (t *transit) check() error {
	switch {
	case t.Method == http.MethodConnect || t.Method == http.MethodTrace:
		e := problem.New(problem.Unimplemented, "the method %s is not served here", t.Method)
		e.Status = http.StatusMethodNotAllowed
		return e
	case strings.IndexByte(t.in.URL.RawQuery, '#') >= 0:
		return problem.New(problem.InvalidArgument, "the query of the request has a # that must be encoded")
	case t.grpc && !t.Target.GRPC:
		return problem.New(problem.NotFound, "no gRPC service is routed at this path")
	}
	return nil
}

// interim passes an interim answer on (1xx), such as 103 Early Hints. 100 Continue is
// net/http's own, sent when the body is read, which the instance's is the reason for; beside
// it, as net/http writes both unguarded, no other is.
func (t *transit) interim(status int, header textproto.MIMEHeader) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if status == http.StatusContinue {
		t.body.want()
	}
	if t.answered || status == http.StatusContinue || !t.in.ProtoAtLeast(1, 1) || t.in.Header.Get("Expect") != "" {
		return nil
	}
	h := t.w.Header()
	inbound(h, http.Header(header))
	t.w.WriteHeader(status)
	clear(h)
	h[observe.RequestIDHeader] = []string{t.RequestID}
	return nil
}

// end is called when the client has its answer, or has none and never will.
func (t *transit) end() {
	t.gateway.End(&t.Exchange)
	t.body.close()
	t.mu.Lock()
	t.body.want() // so that nothing waits for it any more; what it finds is closed
	t.mu.Unlock()
	if t.Target != nil {
		observe.Route(t.in.Context(), t.Target.Label)
	}
	span := trace.SpanFromContext(t.in.Context())
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("muster.instance", t.Instance),
		attribute.Int("http.request.resend_count", max(0, t.Attempts-1)),
	)
}

// rawPath returns the path as it stands in the request line.
func rawPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	if r.URL.Path == "" && r.URL.Host != "" {
		return "/" // http://host, in a request to a proxy (RFC 9112, 3.2.2)
	}
	return r.URL.EscapedPath()
}

// silence ends a call whose instance says nothing for too long. It counts from the
// last byte of the request that was read, so that a long upload is none.
type silence struct {
	after time.Duration
	end   func()

	mu    sync.Mutex
	timer *time.Timer // nil: not bounded, or no more
}

func (s *silence) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(s.after, s.end)
}

// heard begins the wait anew; after stop it does nothing.
func (s *silence) heard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Reset(s.after)
	}
}

func (s *silence) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil {
		s.timer.Stop()
		s.timer = nil
	}
}
