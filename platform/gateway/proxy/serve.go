package proxy

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/header"
	"github.com/musterdev/muster/platform/gateway/mirror"
	"github.com/musterdev/muster/problem"
)

// transit is one request in the hands of net/http.
type transit struct {
	Exchange

	gateway  *Gateway
	out      reply
	w        http.ResponseWriter // out, or what a middleware has in front of it
	control  *http.ResponseController
	in       *http.Request
	grpc     bool        // a gRPC request, answered in gRPC's way
	body     *clientBody // nil without one
	copied   *mirror.Copy
	trace    httptrace.ClientTrace
	switches []string // the protocols that the client would switch to

	mu       sync.Mutex // guards the answer's header against interim answers
	answered bool       // the instance's final answer is here
	written  bool       // the client's answer has begun
}

// ServeHTTP passes a request to the service its route names.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	t := &transit{gateway: g, in: r, grpc: header.GRPC(r)}
	t.out = reply{ResponseWriter: w, x: &t.Exchange}
	t.w, t.control = &t.out, http.NewResponseController(&t.out)
	g.Begin(&t.Exchange, r.Method, r.Header.Get(observe.RequestIDHeader))
	t.Request.RPC, t.Request.Query, t.Request.TLS, t.Request.Length = t.grpc, r.URL.RawQuery, r.TLS, r.ContentLength
	t.peer(r)
	defer t.end()
	if sc := trace.SpanContextFromContext(r.Context()); sc.HasTraceID() {
		t.TraceID = sc.TraceID().String()
	}
	w.Header()[observe.RequestIDHeader] = []string{t.Request.ID}
	if r.Header.Get(call.DeadlineHeader) == "" || t.grpc {
		t.serve()
		return
	}
	call.ReceiveDeadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.in = r
		t.serve()
	})).ServeHTTP(&t.out, r)
	if t.Request.Path == "" { // refused, and answered by ReceiveDeadline
		t.Request.Path = rawPath(r)
		t.Err = problem.New(problem.InvalidArgument, "header %s is not valid", call.DeadlineHeader)
	}
}

func (t *transit) serve() {
	if err := t.pass(); err != nil {
		t.fail(err)
	}
}

// pass returns what kept the client from getting an answer.
func (t *transit) pass() error {
	r, g := t.in, t.gateway
	fields := t.outbound()
	t.Request.Fields = filter.NetHTTP(fields)
	if err := g.Route(&t.Exchange, r.Host, rawPath(r)); err != nil {
		return err
	}
	if err := g.Enter(&t.Exchange, r.Header.Get(resilience.PriorityHeader)); err != nil {
		return err
	}
	if err := g.Judge(r.Context(), &t.Exchange); err != nil {
		return err
	}
	if query := t.Request.Query; query != r.URL.RawQuery { // a filter took something away
		u := *r.URL
		u.RawQuery, u.ForceQuery, r.URL = query, false, &u
	}
	if r.ProtoMajor == 1 && r.ProtoMinor > 0 { // HTTP/1.0 has none, HTTP/2 another
		t.switches = slices.DeleteFunc(header.Upgrades(r.Header), header.IsHTTP2)
	}
	t.complete(fields)
	if b, ok := r.Body.(interface{ LeastRate(rate int64) }); ok {
		b.LeastRate(t.Request.LeastRate)
	}
	if most := t.Request.MaxBody; most > 0 && r.Body != nil {
		if r.ContentLength > most {
			return TooLarge(most)
		}
		r.Body = http.MaxBytesReader(t.out.ResponseWriter, r.Body, most)
	}
	if t.Request.Query != r.URL.RawQuery { // as a filter has changed it
		t.in = r.WithContext(r.Context())
		u := *r.URL
		u.RawQuery = t.Request.Query
		t.in.URL = &u
	}
	if !t.chain.Whole() {
		return t.forward(fields)
	}
	whole := t.in.WithContext(r.Context())
	whole.Header = fields
	t.chain.Serve(t.w, whole, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t.w, t.control, t.in = w, http.NewResponseController(w), r
		if err := t.forward(r.Header); err != nil {
			t.fail(err)
		}
	}))
	t.out.begin() // a middleware that said nothing meant 200, as in net/http
	return nil
}

// forward makes the call, with these fields.
func (t *transit) forward(header http.Header) (err error) {
	r, g := t.in, t.gateway
	op := t.Op(header.Get("Idempotency-Key"))
	priority := t.Priority(r.Header.Get(resilience.PriorityHeader))
	ctx, cancel := context.WithCancelCause(r.Context())
	defer cancel(nil)
	silence := &silence{after: g.cfg.AnswerTimeout, end: func() { cancel(ErrSilent) }}
	if !t.grpc {
		silence.begin()
		defer silence.stop()
	}
	if priority != resilience.Normal {
		ctx = resilience.WithPriority(ctx, priority)
	}
	ctx, asked := t.asks(ctx, header)
	defer func() { asked(err) }()
	t.trace = httptrace.ClientTrace{
		GetConn:        t.attempts,
		Got1xxResponse: t.interim,
	}
	out := r.WithContext(httptrace.WithClientTrace(ctx, &t.trace))
	out.Header, out.Trailer = header, nil
	out.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery, ForceQuery: r.URL.ForceQuery}
	out.RequestURI, out.Close, out.TransferEncoding = "", false, nil
	t.rewrite(out)
	if len(t.switches) == 0 {
		t.copied = g.cfg.Mirror.Begin(t.Target.Mirror, out, r.ContentLength)
		defer t.copied.End()
	}
	if err := t.setBody(out, op.Idempotent, silence); err != nil {
		return err
	}
	res, err := g.cfg.Caller.RoundTrip(out, op)
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
		return g.BadStatus(ctx, &t.Exchange, res.StatusCode)
	}
	return t.answer(res)
}

// rewrite gives the request the path and the Host that its route says.
func (t *transit) rewrite(out *http.Request) {
	raw, host := t.Outward()
	if raw != "" {
		out.URL.Path, out.URL.RawPath = t.path, raw
	}
	if host != "" {
		out.Host = host
	}
}

// attempts notes an attempt; two may be made at a time, and one that lost begin late.
func (t *transit) attempts(addr string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.answered {
		t.gateway.Attempt(&t.Exchange, addr)
	}
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
	h[observe.RequestIDHeader] = []string{t.Request.ID}
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
	t.Describe(t.in.Context())
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
