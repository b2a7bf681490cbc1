package relay

import (
	"context"
	"net/http"
	"strconv"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// head writes the request's head as it goes to an instance into the turn's room, without the
// empty line and what is told anew at each attempt.
func (s *session) head(ctx context.Context, p resilience.Priority) {
	t, x := s.turn, &s.x
	h := &t.Head
	path, host := x.Outward()
	told := s.relay.cfg.Gateway.AppendTold(s.told[:0], x, fields{&h.Fields}, view(h.Host))
	out := append(append(t.Out[:0], h.Method...), ' ')
	if path != "" {
		out = append(out, path...)
	} else {
		out = append(out, h.Path...)
	}
	if query := x.Request.Query; query != "" || h.HasQuery && len(h.Query) == 0 { // a filter may have changed it
		out = append(append(out, '?'), query...)
	}
	out = append(out, " HTTP/1.1\r\nHost: "...)
	if host != "" {
		out = append(out, host...)
	} else {
		out = append(out, h.Host...)
	}
	out = append(out, '\r', '\n')
	for i := range h.Fields {
		f := &h.Fields[i]
		if f.Hop || f.Kind == grammar.Host || f.Kind == grammar.ContentLength || f.Kind == grammar.Expect {
			continue
		}
		out = appendField(out, f)
	}
	switch {
	case h.Length == grammar.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case h.HasLength:
		out = appendLength(out, h.Length, http.StatusOK)
	}
	if h.Expect100 && s.up != nil {
		out = append(out, "Expect: 100-continue\r\n"...)
	}
	if h.Trailers {
		out = append(out, "TE: trailers\r\n"...)
	}
	if p != resilience.Normal {
		out = appendLine(out, resilience.PriorityHeader, p.String())
	}
	out = appendLine(out, "Traceparent", s.entry.Going(ctx))
	if state := s.entry.State(ctx); state != "" {
		out = appendLine(out, "Tracestate", state)
	}
	out = append(out, told...)
	t.Out, s.told = out, told[:0]
}

func appendField(out []byte, f *grammar.Field) []byte {
	out = append(append(out, f.Name...), ':', ' ')
	return append(append(out, f.Value...), '\r', '\n')
}

func appendLine(out []byte, name, value string) []byte {
	out = append(append(out, name...), ':', ' ')
	return append(append(out, value...), '\r', '\n')
}

func statusLine(out []byte, status int, reason string) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = append(strconv.AppendInt(out, int64(status), 10), ' ')
	return append(append(out, reason...), '\r', '\n')
}

// appendLength says how long a body is, where a status has one at all.
func appendLength(out []byte, n int64, status int) []byte {
	if status < http.StatusOK || status == http.StatusNoContent || status == http.StatusNotModified {
		return out
	}
	out = append(out, "Content-Length: "...)
	return append(strconv.AppendInt(out, n, 10), '\r', '\n')
}

// ending appends what the edge itself says in the head of an answer: the request's id, the
// time where nobody has said it (RFC 9110, 6.6.1), whether the connection goes on.
func (s *session) ending(out []byte, dated bool) []byte {
	t := s.turn
	if !dated {
		out = appendLine(out, "Date", t.Date())
	}
	out = appendLine(out, observe.RequestIDHeader, s.x.Request.ID)
	switch {
	case !t.Persists():
		out = append(out, "Connection: close\r\n"...)
	case t.Head.Minor == 0:
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	return out
}
