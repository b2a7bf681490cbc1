package accesslog

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// maxText bounds one text of a line, in bytes before they are escaped.
const maxText = 1024

// Entry is what is logged of one request.
type Entry struct {
	Time      time.Time // when the request began
	RequestID string
	TraceID   string // "" without a trace
	Method    string
	Host      string // as routed: lower case, no port
	Path      string // as routed; the query is not logged, it may hold secrets
	Status    int    // 499: the client went away before the answer
	Bytes     int64  // of the answer's body that were written
	Duration  time.Duration
	Instance  string // the last that was tried; "" none
	Route     string // "" none
	Retries   int    // attempts beyond the first
	GRPC      int    // the status code of a gRPC call; negative: none
	Error     string // why the edge itself failed the request; "" it did not
}

// append appends the entry as a line of JSON (RFC 8259).
func (e *Entry) append(b []byte) []byte {
	b = append(b, `{"time":"`...)
	b = e.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z07:00")
	b = append(b, '"')
	b = text(b, "request_id", e.RequestID)
	if e.TraceID != "" {
		b = text(b, "trace_id", e.TraceID)
	}
	b = text(b, "method", e.Method)
	b = text(b, "host", e.Host)
	b = text(b, "path", e.Path)
	b = number(b, "status", int64(e.Status))
	if e.GRPC >= 0 {
		b = number(b, "grpc_status", int64(e.GRPC))
	}
	b = number(b, "bytes", e.Bytes)
	b = append(b, `,"duration_ms":`...)
	b = strconv.AppendFloat(b, float64(e.Duration.Microseconds())/1000, 'f', 3, 64)
	b = text(b, "instance", e.Instance)
	b = text(b, "route", e.Route)
	b = number(b, "retries", int64(e.Retries))
	if e.Error != "" {
		b = text(b, "error", e.Error)
	}
	return append(b, "}\n"...)
}

func number(b []byte, name string, n int64) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return strconv.AppendInt(b, n, 10)
}

// text appends a string member. What is not UTF-8 becomes U+FFFD, what is too long
// is cut.
func text(b []byte, name, s string) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":"`...)
	cut := len(s) > maxText
	if cut {
		s = s[:maxText]
	}
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
			i++
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			b = append(b, c)
			i++
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r) // RuneError is U+FFFD
			i += size
		}
	}
	if cut {
		b = append(b, "…"...)
	}
	return append(b, '"')
}

const hex = "0123456789abcdef"
