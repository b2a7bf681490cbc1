package call

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/body"
	"github.com/musterdev/muster/call/internal/carry"
	"github.com/musterdev/muster/call/resilience"
)

// Client returns an HTTP client for one service: the host of a URL is replaced by
// the instance chosen, so http://catalog/v1/products reaches catalog. Its calls
// carry deadline and token and are repeated where that is safe. A request body is
// repeated only when it has GetBody, as those made by http.NewRequest have. The
// scheme of a URL does not matter: Config.TLS decides. A redirect to another host is
// not followed but returned, as it leads out of the fleet.
func (c *Caller) Client(service string) *http.Client {
	return &http.Client{Transport: c.Transport(service), CheckRedirect: StayWithin}
}

// StayWithin is an http.Client's CheckRedirect: a redirect to another host is
// returned as the answer, and so is the tenth.
func StayWithin(r *http.Request, via []*http.Request) error {
	if r.URL.Host != via[0].URL.Host || len(via) >= 10 {
		return http.ErrUseLastResponse
	}
	return nil
}

// Transport returns the http.RoundTripper of [Caller.Client], to be wrapped.
func (c *Caller) Transport(service string) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		r = c.stamped(r)
		return c.RoundTrip(r, Op{
			Service: service, Name: r.Method + " " + r.URL.Path, Endpoint: discovery.HTTP,
			Idempotent: Idempotent(r.Method, r.Header.Get("Idempotency-Key")),
		})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// RoundTrip makes one HTTP call as op says. Like any http.RoundTripper it does not
// change r, closes r's body and returns a response whose body the caller closes;
// the instance counts as loaded until then.
func (c *Caller) RoundTrip(r *http.Request, op Op) (*http.Response, error) {
	to := c.target(op)
	if to.by != "" {
		op.Key = r.Header.Get(to.by)
	}
	if to.fallsBack(r) {
		return c.withFallback(r, op, to)
	}
	return c.roundTrip(r, op, to)
}

func (c *Caller) roundTrip(r *http.Request, op Op, to *target) (*http.Response, error) {
	ctx, header := newHeaderTimer(r.Context(), to.timeout(), to.told)
	x := &exchange{caller: c, request: r, op: op, body: &body.Rewinder{Request: r}, header: header}
	x.last.Store(&Ticket{})
	x.op.Idempotent = op.Idempotent && x.body.Repeatable()
	res, err := do(ctx, c, to, x.op, x.attempt, discard)
	x.body.End(err == nil)
	if err != nil {
		if errors.Is(context.Cause(ctx), errNoHeaders) && !errors.Is(err, context.DeadlineExceeded) {
			err = header.explain(err, op, x.last.Load(), true) // it expired between two attempts
		}
		header.cancel()
		return nil, err
	}
	if !header.stop() {
		_ = res.Body.Close() // the time was up just as the answer came
		return nil, header.explain(context.DeadlineExceeded, op, x.last.Load(), true)
	}
	res.Body = body.HoldOpen(res.Body, header.cancel)
	return res, nil
}

// discard closes an answer that came too late.
func discard(res *http.Response) { _ = res.Body.Close() }

// exchange is one HTTP call; its attempts may overlap.
type exchange struct {
	caller  *Caller
	request *http.Request
	op      Op
	body    *body.Rewinder
	header  *headerTimer
	failed  atomic.Pointer[Failed] // why there is another attempt
	last    atomic.Pointer[Ticket]
}

func (x *exchange) attempt(ctx context.Context, t *Ticket) (*http.Response, error) {
	x.last.Store(t)
	out, err := x.caller.prepare(ctx, x.request, x.op, t, x.body, x.header.tell)
	if before := x.failed.Load(); errors.Is(err, body.ErrGone) && before != nil {
		err = before.Err // it says more
	}
	if err != nil {
		return nil, err
	}
	var begun, sent atomic.Bool
	out = out.WithContext(httptrace.WithClientTrace(out.Context(), &httptrace.ClientTrace{
		GetConn:      func(string) { begun.Store(true) },
		WroteHeaders: func() { sent.Store(true) },
	}))
	res, err := x.caller.transport(x.op).RoundTrip(out) //nolint:bodyclose // closed by whoever reads it
	if err != nil {
		f := &Failed{
			Err:     fmt.Errorf("call %s of service %q: %w", x.op.Name, x.op.Service, err),
			Failure: resilience.Failure{Sent: sent.Load(), Final: !begun.Load()}, // net/http refused the request itself
		}
		if begun.Load() {
			f.Err = x.header.explain(err, x.op, t, sent.Load())
		}
		x.failed.Store(f)
		return nil, f
	}
	t.outcome = httpOutcome(res)
	res.Body = body.HoldOpen(res.Body, t.Done)
	return res, nil
}

// prepare makes the request of one attempt.
func (c *Caller) prepare(ctx context.Context, r *http.Request, op Op, t *Ticket, content *body.Rewinder, tell time.Time) (*http.Request, error) {
	out := r.Clone(ctx)
	out.URL.Scheme = "http"
	if c.tls(op.Service) != nil {
		out.URL.Scheme = "https"
	}
	out.URL.Host = t.Addr
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	if !op.Idempotent {
		hideKeys(out.Header)
	}
	setDeadline(ctx, tell, out.Header)
	carry.SetPriority(ctx, out.Header)
	token, err := c.cfg.Tokens.Token(ctx, op.Service)
	if err != nil {
		return nil, noToken(err, op.Service)
	}
	if token != "" {
		out.Header.Set("Authorization", "Bearer "+token)
	}
	if out.Body, err = content.Next(); err != nil { // last: what GetBody made must reach the transport, which closes it
		return nil, err
	}
	return out, nil
}

// hideKeys writes the headers by which net/http itself decides to send a request
// again in a way it does not look for; to the peer they are the same (RFC 9110, 5.1).
func hideKeys(h http.Header) {
	for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
		if v, ok := h[name]; ok {
			delete(h, name)
			h[strings.ToLower(name)] = v
		}
	}
}

// transportKey separates connection pools by what they may not share.
type transportKey struct {
	service  string
	endpoint string
}

func (c *Caller) transport(op Op) *http.Transport {
	key := transportKey{op.Service, op.Endpoint}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.transports[key]
	if t == nil {
		t = &http.Transport{
			DialContext:         func(ctx context.Context, _, addr string) (net.Conn, error) { return c.cfg.Dial(ctx, addr) },
			TLSClientConfig:     c.tls(op.Service),
			MaxIdleConnsPerHost: 256,
			IdleConnTimeout:     60 * time.Second,
			TLSHandshakeTimeout: 5 * time.Second,

			MaxResponseHeaderBytes: 1 << 20,
			// a peer that vanished without a word is found out
			HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 5 * time.Second},
			// who sends Expect: 100-continue does so not to send a body in vain
			ExpectContinueTimeout: time.Second,
			DisableCompression:    true, // a body is passed on as it is; who wants gzip asks for it
			Protocols:             &http.Protocols{},
		}
		if op.Endpoint == discovery.GRPC {
			t.Protocols.SetUnencryptedHTTP2(true)
			t.Protocols.SetHTTP2(true)
		} else {
			t.Protocols.SetHTTP1(true)
		}
		c.transports[key] = t
	}
	return t
}
