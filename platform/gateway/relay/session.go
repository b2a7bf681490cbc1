package relay

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// session is one request on its way, and what is used again for the next.
type session struct {
	relay *Relay
	turn  *http1.Turn
	x     proxy.Exchange
	entry observe.Entry
	call  call.Inline[reply]
	ctx   context.Context //nolint:containedctx // of the request under way

	said said
	told []byte // what the edge adds to the request's head

	current atomic.Pointer[upstream.Conn] // of the attempt on this goroutine
	reply   reply
	tries   atomic.Int64

	content []byte // of the body, when it is all there
	up      *upload
	written bool // the answer has begun
	under   bool // it is under way: begun, and neither ended nor handed over
}

// reply is an instance's answer whose head is here, and the attempt that got it.
type reply struct {
	conn   *upstream.Conn
	ticket *call.Ticket
}

var _ call.Attempts[reply] = (*session)(nil)

// said is what the client says to the edge itself, in fields.
type said struct{ id, parent, deadline, key string }

func newSession(r *Relay) *session { return &session{relay: r} }

// Serve implements [http1.Session].
func (s *session) Serve(t *http1.Turn) {
	h := &t.Head
	path := view(h.Path)
	if h.Form == grammar.Asterisk {
		path = "*"
	}
	if operates(path) {
		t.HandOver() // the handler of net/http answers for the edge itself
		return
	}
	g := s.relay.cfg.Gateway
	s.begin(t)
	defer s.brokenOff()
	if err := g.Route(&s.x, view(h.Host), path); err != nil {
		s.trace()
		s.fail(err)
	} else if s.x.Whole() {
		g.Forget(&s.x)
		s.under = false
		t.HandOver()
		return
	} else if err := g.Enter(&s.x, ""); err != nil {
		s.refuse() // before anything else is done for it
		s.fail(err)
	} else {
		s.trace()
		if err := s.pass(); err != nil {
			s.fail(err)
		}
	}
	s.end()
}

// operates reports whether a raw path is the edge's own.
func operates(path string) bool {
	if strings.IndexByte(path, '%') >= 0 {
		if decoded, err := route.CanonicalPath(path); err == nil {
			path = decoded
		}
	}
	return route.Operates(path)
}

// Refuse implements [http1.Session].
func (s *session) Refuse(t *http1.Turn, f *grammar.Fault) {
	s.turn = t
	s.x.Reset()
	s.x.Request.Client, s.x.Request.TLS = t.Client(), t.TLS()
	s.relay.cfg.Gateway.Begin(&s.x, view(t.Head.Method), "")
	s.x.Request.Fields = fields{&t.Head.Fields}
	s.x.Request.Host, s.x.Request.Path = view(t.Head.Host), view(t.Head.Path)
	s.said, s.written, s.content, s.up = said{}, false, nil, nil
	s.trace()
	e := problem.New(problem.FromHTTPStatus(f.Status), "the request cannot be read: %s", f.Reason)
	e.Status = f.Status
	s.fail(e)
	s.end()
}

// begin reads the head.
func (s *session) begin(t *http1.Turn) {
	s.turn = t
	x, h, g := &s.x, &t.Head, s.relay.cfg.Gateway
	x.Reset()
	s.said, s.written, s.content, s.up, s.reply = said{}, false, nil, nil, reply{}
	s.tries.Store(0)
	parents := 0
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Hop || f.Kind != grammar.Other {
			continue
		}
		switch len(f.Name) {
		case len("traceparent"):
			if f.Is("traceparent") {
				s.said.parent, f.Hop = view(f.Value), true
				parents++
			}
		case len("tracestate"):
			f.Hop = f.Is("tracestate") // it would say for how many others the trace stands
		case len("x-request-id"):
			if s.said.id == "" && f.Is("x-request-id") {
				s.said.id = view(f.Value)
			}
		case len("request-timeout"): // and of Idempotency-Key, and of Muster-Priority
			switch {
			case f.Is("request-timeout"):
				if s.said.deadline == "" {
					s.said.deadline = view(f.Value)
				}
				f.Hop = true
			case s.said.key == "" && f.Is("idempotency-key"):
				s.said.key = view(f.Value)
			case f.Is("muster-priority"):
				f.Hop = true
			}
		}
		f.Hop = f.Hop || g.Drops(view(f.Name))
	}
	if parents > 1 {
		s.said.parent = ""
	}
	g.Begin(x, view(h.Method), s.said.id)
	s.under = true
	t.Now(x.Request.Began)
	r := &x.Request
	r.Query, r.Client, r.TLS, r.Fields = view(h.Query), t.Client(), t.TLS(), fields{&h.Fields}
	if g.Trusts(r.Client) {
		s.believe()
	}
	if r.Length = h.Length; h.Length == grammar.Chunked {
		r.Length = -1
	}
}

// trace begins the request's span.
func (s *session) trace() {
	s.ctx = s.relay.cfg.Edge.Begin(s.turn.Context(), &s.entry, s.x.Request.Began, s.x.Request.Method, s.x.Request.ID, s.said.parent)
	s.x.TraceID = s.entry.TraceID()
}

// refuse is trace for a request that the valve turns away.
func (s *session) refuse() {
	s.ctx = s.relay.cfg.Edge.Refuse(s.turn.Context(), &s.entry, s.x.Request.Began, s.x.Request.Method, s.x.Request.ID, s.said.parent)
	s.x.TraceID = s.entry.TraceID()
}

// pass returns what kept the client from getting an answer.
func (s *session) pass() error {
	t, x, g := s.turn, &s.x, s.relay.cfg.Gateway
	if s.said.deadline != "" {
		left, err := call.ParseDeadline(s.said.deadline)
		if err != nil {
			return err
		}
		t.Until(x.Request.Began.Add(left))
	}
	if err := g.Judge(s.ctx, x); err != nil {
		return err
	}
	if most := x.Request.MaxBody; most > 0 {
		if x.Request.Length > most {
			return proxy.TooLarge(most)
		}
		t.Bound(most)
	}
	t.Least(x.Request.LeastRate)
	return s.forward()
}

// wait is how long an answer is waited for.
func (s *session) wait() time.Duration { return s.within(s.relay.cfg.AnswerTimeout) }

// within returns d, or what is left of the time that the client allows.
func (s *session) within(d time.Duration) time.Duration {
	if at, ok := s.turn.Context().Deadline(); ok {
		d = min(d, max(time.Millisecond, time.Until(at)))
	}
	return d
}

// maxRepeat is how large a body may be to be kept for another attempt, in bytes.
const maxRepeat = 64 << 10

// forward makes the call and passes the answer on.
func (s *session) forward() error {
	t, x := s.turn, &s.x
	op := x.Op(s.said.key)
	content, whole := t.Whole()
	if !whole && op.Idempotent && t.Head.HasLength && t.Head.Length <= maxRepeat && !t.Head.Expect100 {
		var err error
		if content, err = t.Gather(); err != nil {
			return s.unread(err)
		}
		whole = true
	}
	if s.content = content; !whole {
		op.Idempotent = false // it is not there for another attempt
		s.up = newUpload(s)
	}
	ctx := s.ctx
	p := x.Priority("")
	if p != resilience.Normal {
		ctx = resilience.WithPriority(ctx, p)
	}
	ctx, span := x.Ask(ctx)
	s.head(ctx, p)
	s.ctx = ctx
	s.call.Begin()
	t.Wait(s.wait(), s)
	var err error
	s.reply, err = s.call.Do(ctx, s.relay.cfg.Caller, op, s)
	s.current.Store(nil)
	if x.Attempts = int(s.tries.Load()); err == nil {
		x.Instance = s.reply.ticket.Instance.ID
	}
	if resumed := t.Resume(); err == nil && !resumed {
		err = &call.Failed{Err: context.Cause(t.Context()), Failure: resilience.Failure{Sent: true, Timeout: true}}
		s.abandon()
	}
	if err != nil {
		err = s.explain(err)
	} else {
		err = s.answer()
	}
	x.Asked(span, err)
	return err
}

// Interrupt implements [http1.Interrupter]: the client has gone, or waits no more.
func (s *session) Interrupt() {
	if c := s.current.Load(); c != nil {
		c.Interrupt()
	}
	s.up.want()
}

// Slow implements [http1.Patient]: another instance may be asked beside.
func (s *session) Slow() { s.call.Join(time.Now()) }

// abandon ends an attempt whose answer is not passed on.
func (s *session) abandon() {
	if s.reply.conn != nil {
		s.Discard(s.reply)
		s.reply = reply{}
	}
}

// end is called when the client has its answer, or never will.
func (s *session) end() {
	s.under = false
	s.abandon()
	route := ""
	if s.x.Target != nil {
		route = s.x.Target.Label
	}
	s.x.Describe(s.ctx)
	s.relay.cfg.Edge.End(&s.entry, s.x.Request.Path, route, s.x.Status, !s.x.Broken && s.x.Status != 499)
	s.relay.cfg.Gateway.End(&s.x)
	s.ctx = nil
}
