package relay

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/problem"
)

// framing is how a body of an answer goes to the client.
type framing uint8

const (
	none    framing = iota
	sized           // its length is said
	chunked         // in the instance's chunks
	made            // in chunks made here, as the instance's end is that of its connection
	open            // until the connection ends, for clients of HTTP/1.0
)

// answer passes the instance's answer on.
func (s *session) answer() error {
	t, x, c := s.turn, &s.x, s.reply.conn
	s.up.answer()
	status := c.Head.Status
	if status == http.StatusSwitchingProtocols { // requests that ask for another are not served here
		return problem.New(problem.Unknown, "service %q switched to another protocol than the request asks for", x.Target.Service)
	}
	if status < 200 || status > 599 {
		return s.relay.cfg.Gateway.BadStatus(s.ctx, x, status)
	}
	if !s.up.sent() {
		t.Last() // nobody knows where the next request would begin
	}
	x.Status = status
	how := s.framing(&c.Head)
	out := s.answerHead(how)
	return s.body(out, how)
}

func (s *session) framing(h *grammar.Response) framing {
	old := s.turn.Head.Minor == 0
	switch {
	case h.Length == 0:
		return none
	case h.Length > 0:
		return sized
	case old:
		return open
	case h.Length == grammar.Chunked:
		return chunked
	}
	return made
}

// answerHead returns the head of the answer.
func (s *session) answerHead(how framing) []byte {
	t, c := s.turn, s.reply.conn
	h := &c.Head
	for i := range h.Fields {
		if f := &h.Fields[i]; len(f.Name) == len("x-request-id") && f.Is("x-request-id") {
			f.Hop = true
		}
	}
	s.relay.cfg.Gateway.Answer(&s.x, h.Status, fields{&h.Fields})
	out := statusLine(t.Out[:0], h.Status, s.reason())
	dated := false
	for i := range h.Fields {
		f := &h.Fields[i]
		switch {
		case f.Kind == grammar.Trailer && how == chunked:
			out = appendField(out, f)
		case f.Hop, f.Kind == grammar.Host:
		case f.Kind == grammar.ContentLength:
			if how == sized || how == none && h.Status != http.StatusNoContent { // RFC 9110, 8.6
				out = appendField(out, f)
			}
		default:
			dated = dated || len(f.Name) == len("date") && f.Is("date")
			out = appendField(out, f)
		}
	}
	switch how {
	case chunked, made:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case open:
		t.Open()
	default:
	}
	return append(s.ending(out, dated), '\r', '\n')
}

func (s *session) reason() string {
	if r := s.reply.conn.Head.Reason; len(r) > 0 {
		return view(r)
	}
	return http.StatusText(s.reply.conn.Head.Status)
}

// body writes head and body. What has come with the instance's head goes out with the head.
func (s *session) body(out []byte, how framing) error {
	t, c := s.turn, s.reply.conn
	if how != none && !c.Ended() && c.Empty() && !stream(&c.Head) && !c.Try() && how != sized {
		c.Within(headPatience)
	}
	for {
		var err error
		if out, err = s.ready(out, how); err != nil {
			return s.brokeOff(err)
		}
		if c.Ended() {
			return s.last(out, how)
		}
		more := len(out) > writeAt
		if len(out) > 0 && (more || s.x.Bytes > 0 || how != sized) { // else the head waits for its body
			t.Out = out
			if err = s.write(out); err != nil {
				return err
			}
			out = t.Out[:0]
		}
		switch {
		case more:
			continue
		case len(out) == 0 && how == sized && c.Left() > spliceAt && c.Empty() && t.Plain():
			err = s.splice()
		default:
			err = s.more(&out, how)
		}
		if err != nil {
			return err
		}
	}
}

// ready appends what has come of the body, until that is much.
func (s *session) ready(out []byte, how framing) ([]byte, error) {
	for c := s.reply.conn; !c.Ended() && len(out) <= writeAt; {
		p, err := c.Ready(how == chunked)
		if err != nil || len(p) == 0 {
			return out, err
		}
		out = s.piece(out, p, how)
	}
	return out, nil
}

// more appends the next piece, which it waits for.
func (s *session) more(out *[]byte, how framing) error {
	p, err := s.next(how == chunked)
	if err != nil {
		return s.brokeOff(err)
	}
	*out = s.piece(*out, p, how)
	return nil
}

// write writes to the client.
func (s *session) write(out []byte) error {
	s.written = true
	if _, err := s.turn.Write(out); err != nil {
		return s.clientGone(err)
	}
	return nil
}

const (
	writeAt  = 12 << 10 // bytes that are written without waiting for more
	spliceAt = 64 << 10 // bytes from which on the kernel moves them
	// headPatience is how long the head of a stream waits for the first bytes of its body, so
	// that both may leave in one packet. That of another answer waits for as long as they take.
	headPatience = time.Millisecond
)

// stream reports whether an answer is one whose pieces come when they come.
func stream(h *grammar.Response) bool {
	f := grammar.Find(h.Fields, "content-type")
	return f != nil && strings.HasPrefix(view(f.Value), "text/event-stream")
}

// piece appends a piece of the body.
func (s *session) piece(out, p []byte, how framing) []byte {
	switch {
	case len(p) == 0:
		return out
	case how == made:
		s.x.Bytes += int64(len(p))
		out = strconv.AppendInt(out, int64(len(p)), 16)
		out = append(out, '\r', '\n')
		return append(append(out, p...), '\r', '\n')
	case how == chunked:
		s.x.Bytes = s.reply.conn.Size()
	default:
		s.x.Bytes += int64(len(p))
	}
	return append(out, p...)
}

// next waits for the next piece, and for the client to go away.
func (s *session) next(framed bool) ([]byte, error) {
	t, c := s.turn, s.reply.conn
	s.current.Store(c)
	t.Wait(0, s)
	p, err := c.Next(framed)
	if !t.Resume() && err == nil {
		err = t.Context().Err()
	}
	s.current.Store(nil)
	return p, err
}

// splice has the kernel move a piece of the body.
func (s *session) splice() error {
	t, c := s.turn, s.reply.conn
	p, err := s.next(false) // so that it is the client that is waited for
	if err != nil {
		return s.brokeOff(err)
	}
	s.x.Bytes += int64(len(p))
	if err := s.write(p); err != nil {
		return err
	}
	if !c.Empty() || c.Ended() {
		return nil
	}
	s.current.Store(c)
	n, broken, err := t.Copy(c.Reader(), c.Left())
	s.current.Store(nil)
	c.Moved(n)
	s.x.Bytes += n
	switch {
	case broken != nil:
		return s.brokeOff(broken)
	case err != nil:
		return s.clientGone(err)
	}
	return nil
}

// last writes the end of the answer.
func (s *session) last(out []byte, how framing) error {
	t, c := s.turn, s.reply.conn
	switch how {
	case chunked:
		s.x.Bytes = c.Size()
		out = append(out, "0\r\n"...)
		for i, list := 0, c.Trailers(); i < len(list); i++ {
			if !list[i].Hop {
				out = appendField(out, &list[i])
			}
		}
		out = append(out, '\r', '\n')
	case made:
		out = append(out, "0\r\n\r\n"...)
	default:
	}
	t.Out = out
	s.release()
	if len(out) == 0 {
		return nil
	}
	return s.write(out)
}

// release gives the instance's connection back, before the client has its answer.
func (s *session) release() {
	if s.up.sent() {
		s.reply.conn.Release()
	} else {
		s.reply.conn.Interrupt() // the body is still being sent
		s.reply.conn.Close()
	}
	s.reply.ticket.Done()
	s.reply = reply{}
}

// brokeOff says what the end of an instance's body before its time means.
func (s *session) brokeOff(err error) error {
	if s.turn.Context().Err() != nil {
		return s.clientGone(err)
	}
	if fault := s.up.failed(); fault != nil {
		return s.clientGone(fault)
	}
	s.x.Broken = true
	return problem.Wrap(err, problem.Unknown, "service %q broke off in the middle of its answer", s.x.Target.Service)
}

func (*session) clientGone(err error) error {
	return problem.Wrap(err, problem.Canceled, "the client went away before the end of the answer")
}
