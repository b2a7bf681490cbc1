package call

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/internal/body"
	"github.com/musterdev/muster/call/internal/carry"
	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/internal/pool"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
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
			Service: service, Endpoint: discovery.HTTP,
			Idempotent: Idempotent(r.Method, r.Header.Get("Idempotency-Key")),
		})
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// RoundTrip makes one HTTP call as op says; its Name may be left out. Like any
// http.RoundTripper it does not change r, closes r's body and returns a response whose
// body the caller closes; the instance counts as loaded until then.
func (c *Caller) RoundTrip(r *http.Request, op Op) (*http.Response, error) {
	rules, name := c.pool(op.Service).Rules(), op.Route
	if name == "" && rules.Routed() {
		name = nameOf(r, &op)
	}
	to := rules.Matching(name)
	if to.By != "" {
		op.Key = r.Header.Get(to.By)
	}
	if to.FallsBack(r) {
		return c.withFallback(r, op, to)
	}
	return c.roundTrip(r, op, to)
}

// nameOf returns what messages call the request. It is not made before it is needed.
func nameOf(r *http.Request, op *Op) string {
	if op.Name != "" {
		return op.Name
	}
	return r.Method + " " + r.URL.Path
}

func (c *Caller) roundTrip(r *http.Request, op Op, to *pool.Target) (*http.Response, error) {
	x := &exchange{request: r}
	x.body.Request = r
	op.Idempotent = op.Idempotent && x.body.Repeatable()
	x.set(c, to, op, x)
	x.within(r.Context())
	res, err := x.do(r.Context())
	x.body.End(err == nil)
	switch expired := x.expired.Load(); {
	case err == nil && expired: // the time was up just as the answer came
		_ = res.Body.Close()
		return nil, x.tooLate(context.DeadlineExceeded, true)
	case err != nil && expired && !errors.Is(err, context.DeadlineExceeded):
		return nil, x.tooLate(err, x.sent.Load()) // it expired between two attempts
	}
	return res, err
}

// tooLate is a call that brought nothing before its time was up.
func (x *exchange) tooLate(err error, sent bool) error {
	return &Failed{Err: x.explain(err, x.last.Load(), sent), Failure: resilience.Failure{Sent: sent, Timeout: true}}
}

// exchange is one HTTP call; its attempts may overlap.
type exchange struct {
	course[*http.Response]

	request *http.Request
	body    body.Rewinder
	failed  atomic.Pointer[Failed] // why there is another attempt
	last    atomic.Pointer[Ticket]

	url    url.URL // of the first attempt
	answer body.Held
}

// discard closes an answer that came too late.
func (*exchange) discard(res *http.Response) { _ = res.Body.Close() }

func (x *exchange) attempt(ctx context.Context, t *Ticket) (*http.Response, error) {
	x.last.Store(t)
	via := x.caller.link(linkKey{x.op.Service, x.op.Endpoint, x.target.Connections})
	traced, trace := x.caller.traces.Follow(ctx, via.Waits)
	out, err := x.prepare(traced, t, via.Scheme)
	if before := x.failed.Load(); errors.Is(err, body.ErrGone) && before != nil {
		err = before.Err // it says more
	}
	if err != nil {
		return nil, err
	}
	res, err := via.RoundTrip(out) //nolint:bodyclose // closed by whoever reads it
	t.queued = trace.Queued()
	if err != nil {
		trace.Failed()
		f := &Failed{
			Err:     fmt.Errorf("call %s of service %q: %w", nameOf(x.request, &x.op), x.op.Service, err),
			Failure: resilience.Failure{Sent: trace.Sent(), Final: !trace.Begun() || x.body.Broken()}, // net/http refused the request itself, or had no body to send
		}
		if trace.Begun() || x.late(ctx) != nil {
			f.Err = x.explain(err, t, trace.Sent())
		}
		x.failed.Store(f)
		return nil, f
	}
	x.caller.traces.Answered(trace)
	t.outcome = link.Outcome(res)
	held := &x.answer
	if t != &x.ticket {
		held = &body.Held{}
	}
	res.Body = body.Hold(held, res.Body, t)
	return res, nil
}

// explain gives a failed attempt the code a caller can branch on: the time was up,
// nobody was reached, or it is not known whether the call was carried out.
func (x *exchange) explain(err error, t *Ticket, sent bool) error {
	name, service, who, addr := nameOf(x.request, &x.op), x.op.Service, "no instance", "no address"
	if t != nil {
		who, addr = t.Instance.ID, t.Addr
	}
	switch late := x.late(x.ctx); {
	case errors.Is(late, context.DeadlineExceeded) && !sent && !x.sent.Load():
		if before := x.failed.Load(); before != nil {
			err = before.Err // it says more
		}
		return x.unsent(err, "service %q (%s at %s): no connection for %s", service, who, addr, name)
	case x.expired.Load():
		return problem.Wrap(context.DeadlineExceeded, problem.DeadlineExceeded,
			"service %q (%s at %s) gave no answer to %s within %s", service, who, addr, name, x.limit.Sub(x.began))
	case late != nil:
		return fmt.Errorf("call %s of service %q at %s: %w", name, service, addr, err)
	case sent:
		return problem.Wrap(err, problem.Unknown, "service %q (%s) broke off %s before it answered: it may have been carried out", service, who, name)
	}
	return problem.Wrap(err, problem.Unavailable, "service %q (%s) cannot be reached", service, who)
}

// prepare makes the request of one attempt. What it does not change it shares with the
// caller's request, which nobody changes either.
func (x *exchange) prepare(ctx context.Context, t *Ticket, scheme string) (*http.Request, error) {
	r, to := x.request, &x.url
	if t != &x.ticket {
		to = &url.URL{}
	}
	token, err := x.caller.cfg.Tokens.Token(ctx, x.op.Service)
	if err != nil {
		return nil, noToken(err, x.op.Service)
	}
	out := r.WithContext(ctx)
	*to = *r.URL
	to.Scheme, to.Host = scheme, t.Addr
	out.URL = to
	if out.Host == "" {
		out.Host = r.URL.Host
	}
	out.Header = x.header(ctx, token)
	if out.Body, err = x.body.Next(); err != nil { // last: what GetBody made must reach the transport, which closes it
		return nil, err
	}
	return out, nil
}

// header returns the request's, with what goes along with the call.
func (x *exchange) header(ctx context.Context, token string) http.Header {
	h := x.request.Header
	var tell time.Time
	if x.target.Told {
		tell = x.limit
	}
	left := carry.TimeLeft(ctx, tell)
	hidden := !x.op.Idempotent && carry.HasKeys(h)
	if left == "" && token == "" && !hidden && !x.caller.who.Tells() && !carry.Tells(ctx, h) {
		return h
	}
	if h = maps.Clone(h); h == nil {
		h = http.Header{}
	}
	if hidden {
		carry.HideKeys(h)
	}
	if left != "" {
		h.Set(DeadlineHeader, left)
	}
	carry.SetPriority(ctx, h)
	x.caller.who.Set(h)
	if token != "" {
		h.Set("Authorization", "Bearer "+token)
	}
	return h
}

// linkKey separates connections by what they may not share.
type linkKey struct {
	service, endpoint string
	most              int // connections to one instance
}

// link returns the connections to one endpoint of a service's instances.
func (c *Caller) link(key linkKey) *link.HTTP {
	if l, ok := c.links.Get(key); ok {
		return l
	}
	return c.links.Made(key, func() *link.HTTP {
		return link.New(c.cfg.Dial, c.tls(key.service), key.endpoint == discovery.GRPC, key.most)
	})
}
