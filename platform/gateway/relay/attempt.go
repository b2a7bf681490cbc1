package relay

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/problem"
)

// together is up to which size a body is sent in one write with its head, in bytes.
const together = 8 << 10

// Attempt implements [call.Attempts]: it asks one instance, until its answer has begun.
func (s *session) Attempt(ctx context.Context, ticket *call.Ticket, beside bool) (reply, error) {
	s.tries.Add(1)
	if !beside {
		s.x.Instance = ticket.Instance.ID
	}
	for {
		c, err := s.relay.cfg.Upstream.Get(ctx, ticket.Addr)
		if err != nil {
			return reply{}, s.failed(ticket, err, false)
		}
		if !beside {
			s.current.Store(c)
			if s.turn.Interrupted() {
				c.Interrupt() // whoever did it may not have seen the connection
			}
		}
		err = s.ask(ctx, c, beside)
		if err == nil {
			ticket.Answered(c.Head.Status, c.Head.Status == 503 && grammar.Find(c.Head.Fields, "retry-after") != nil)
			return reply{c, ticket}, nil
		}
		if !beside {
			s.current.Store(nil)
		}
		sent := c.Sent()
		c.Close()
		if !errors.Is(err, upstream.ErrStale) {
			return reply{}, s.failed(ticket, err, sent)
		}
	}
}

// GiveUp implements [call.Attempts].
func (s *session) GiveUp() {
	if c := s.current.Load(); c != nil {
		c.Interrupt()
	}
}

// Discard implements [call.Attempts].
func (*session) Discard(r reply) {
	r.conn.Close()
	r.ticket.Done()
}

// ask sends the request and reads the head of its final answer.
func (s *session) ask(ctx context.Context, c *upstream.Conn, beside bool) error {
	if ctx != s.ctx { // it may end before the request does
		stop := context.AfterFunc(ctx, c.Interrupt)
		defer stop()
	}
	if err := s.send(ctx, c, beside); err != nil {
		return err
	}
	for {
		if err := c.Answer(s.x.Request.Method); err != nil {
			return err
		}
		if !c.Head.Interim {
			return nil
		}
		if beside {
			continue // the client hears of one attempt only
		}
		if err := s.interim(c); err != nil {
			return err
		}
	}
}

// send sends the request. Two attempts share its head, to which each adds what is its own.
func (s *session) send(ctx context.Context, c *upstream.Conn, beside bool) error {
	base := s.turn.Out
	if beside {
		base = append(make([]byte, 0, len(base)+len(s.content)+64), base...)
	}
	out := base
	if left := s.call.TimeLeft(ctx); left != "" {
		out = appendLine(out, call.DeadlineHeader, left)
	}
	out = append(out, '\r', '\n')
	switch {
	case s.up != nil:
		if err := c.Send(out, false); err != nil {
			return err
		}
		s.up.begin(c)
	case len(s.content) <= together:
		return c.Send(append(out, s.content...), true)
	default:
		if err := c.Send(out, false); err != nil {
			return err
		}
		_, _ = c.Write(s.content) // it may have answered before it closed the connection: who reads finds out
	}
	return nil
}

// interim passes an interim answer on (1xx), such as 103 Early Hints. 100 has the body sent
// that the client was asked for.
func (s *session) interim(c *upstream.Conn) error {
	t := s.turn
	if c.Head.Status == 100 {
		if s.up != nil {
			s.up.want()
		}
		return nil
	}
	if t.Head.Minor == 0 || t.Head.Expect100 {
		return nil
	}
	out := statusLine(nil, c.Head.Status, view(c.Head.Reason))
	for i := range c.Head.Fields {
		if f := &c.Head.Fields[i]; passes(f) {
			out = appendField(out, f)
		}
	}
	if _, err := t.Write(append(out, '\r', '\n')); err != nil {
		return err
	}
	t.Wait(s.wait(), s)
	return nil
}

// passes reports whether a field of an answer goes to the client as it came.
func passes(f *grammar.Field) bool {
	return !f.Hop && f.Kind == grammar.Other && !(len(f.Name) == len("x-request-id") && f.Is("x-request-id"))
}

// failed is an attempt without an answer.
func (s *session) failed(t *call.Ticket, err error, sent bool) error {
	service, who := s.x.Target.Service, t.Instance.ID
	over := s.turn.Context().Err()
	f := resilience.Failure{Sent: sent, Final: s.unfit(over)}
	if over != nil {
		f.Timeout = true
		return &call.Failed{Failure: f, Err: fmt.Errorf("call %s of service %q at %s: %w", s.x.Target.Call(s.x.Request.Method), service, t.Addr, over)}
	}
	if sent {
		if errors.Is(err, io.EOF) {
			err = errors.New("it closed the connection")
		}
		return &call.Failed{Failure: f, Err: problem.Wrap(err, problem.Unknown,
			"service %q (%s) broke off %s before it answered: it may have been carried out", service, who, s.x.Target.Call(s.x.Request.Method))}
	}
	return &call.Failed{Failure: f, Err: problem.Wrap(err, problem.Unavailable, "service %q (%s) cannot be reached", service, who)}
}
