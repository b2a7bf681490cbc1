package desync_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/musterdev/muster/platform/gateway/http1/grammar"
	"github.com/musterdev/muster/platform/gateway/route"
)

// request is one as somebody has read it.
type request struct {
	method, target, host, body string
}

// id is what an answer says of the request that it answers.
func (r request) id() string {
	h := sha256.Sum256(fmt.Appendf(nil, "%q", []string{r.method, r.target, strings.ToLower(r.host), r.body}))
	return hex.EncodeToString(h[:8])
}

func (r request) String() string {
	return fmt.Sprintf("%s %.60q of %q with %.60q", r.method, r.target, r.host, r.body)
}

// reading is what a message means to the edge.
type reading struct {
	requests []request
	strict   int            // so many of them are read by the own engine
	fault    *grammar.Fault // what it ends with; nil: it waits for more, or is done
	inBody   bool           // the fault is in a body: who need not read it may have answered before
	half     bool           // it ends within a body
	handed   bool           // the rest is read by net/http, which refuses what it refuses
}

// read reads a message as the edge has to: by the grammar, and from where another protocol is
// asked for as net/http does.
func read(message []byte) (m reading) {
	var r grammar.Request
	for rest := message; ; {
		n, err := r.Parse(rest)
		if errors.Is(err, grammar.ErrPreface) {
			m.handed = len(m.requests) == 0
			if !m.handed {
				m.fault = &grammar.Fault{Status: http.StatusHTTPVersionNotSupported}
			}
			return m
		}
		if errors.As(err, &m.fault) || n == 0 {
			return m
		}
		if r.Upgrade || string(r.Method) == http.MethodConnect {
			m.handed = true
			m.requests = append(m.requests, readLeniently(rest)...)
			return m
		}
		body, left, err := content(&r, rest[n:])
		if err != nil {
			m.inBody = errors.As(err, &m.fault)
			m.half = !m.inBody
			return m
		}
		target := string(r.Path)
		if r.HasQuery {
			target += "?" + string(r.Query)
		}
		if r.Form == grammar.Asterisk {
			target = "*"
		}
		m.requests = append(m.requests, request{string(r.Method), target, string(r.Host), body})
		m.strict++
		if rest = left; r.Close {
			return m
		}
	}
}

func content(r *grammar.Request, rest []byte) (body string, left []byte, err error) {
	if r.Length != grammar.Chunked {
		if r.Length > int64(len(rest)) {
			return "", nil, io.ErrUnexpectedEOF
		}
		return string(rest[:r.Length]), rest[r.Length:], nil
	}
	var b strings.Builder
	for c := new(grammar.Chunks); ; {
		n, data, err := c.Next(rest)
		if err != nil {
			return "", nil, err
		}
		b.Write(data)
		rest = rest[n:]
		if c.Ended() {
			return b.String(), rest, nil
		}
		if n == 0 {
			return "", nil, io.ErrUnexpectedEOF
		}
	}
}

func readLeniently(message []byte) (requests []request) {
	for in := bufio.NewReader(bytes.NewReader(message)); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return requests
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return requests
		}
		one := asRead(r, string(body))
		if r.URL.Host == "" && r.RequestURI != "*" {
			one.target = r.URL.RequestURI() // as it writes it: encoded where it must be
		}
		requests = append(requests, one)
		if r.Method == http.MethodPost { // net/http's tolerance for line ends behind a POST
			for b, _ := in.Peek(1); len(b) == 1 && (b[0] == '\r' || b[0] == '\n'); b, _ = in.Peek(1) {
				_, _ = in.Discard(1)
			}
		}
	}
}

func asRead(r *http.Request, body string) request {
	target := r.RequestURI
	if !strings.HasPrefix(target, "/") && r.URL.Host != "" {
		target = r.URL.RequestURI()
	}
	return request{r.Method, target, r.Host, body}
}

// passes reports whether the edge has no reason of its own to refuse a request that it can read.
func (r request) passes() bool {
	path, query, _ := strings.Cut(r.target, "?")
	_, badPath := route.CanonicalPath(path)
	_, badHost := route.CanonicalHost(r.host)
	return badPath == nil && badHost == nil && r.method != http.MethodConnect && r.method != http.MethodTrace &&
		!strings.Contains(query, "#") && !strings.HasPrefix(path, route.Operations)
}

// sloppy reads requests as bad programs do.
type sloppy struct {
	name       string
	lines      string // what ends a line
	underscore bool   // the same as a dash
	lastLength bool   // the last Content-Length counts, else the first
	lengthWins bool   // over Transfer-Encoding
	anyCoding  bool   // whatever has "chunked" in it
	lastHost   bool
}

var sloppies = []sloppy{
	{name: "a first length, CRLF", lines: "\r\n"},
	{name: "the last of all", lines: "\n", lastLength: true, lastHost: true},
	{name: "lengths and underscores", lines: "\n", underscore: true, lengthWins: true},
	{name: "every coding", lines: "\n", anyCoding: true, underscore: true, lastLength: true},
	{name: "CR", lines: "\r", anyCoding: true},
}

// read returns the requests that are whole in b, and what is left.
func (s sloppy) read(b string) (requests []request, left string) {
	for b != "" {
		r, rest, ok := s.one(b)
		if !ok {
			return requests, b
		}
		requests = append(requests, r)
		b = rest
	}
	return requests, ""
}

func (s sloppy) line(b string) (line, rest string, ok bool) {
	line, rest, ok = strings.Cut(b, s.lines)
	if s.lines == "\r" {
		rest = strings.TrimPrefix(rest, "\n")
	}
	return strings.Trim(line, "\r\n"), rest, ok
}

func (s sloppy) one(b string) (r request, rest string, ok bool) {
	line, rest, ok := s.line(b)
	words := strings.Fields(line)
	if !ok || len(words) < 2 {
		return r, b, false
	}
	r.method, r.target = words[0], words[1]
	length, coding, hosts := -1, "", 0
	for {
		if line, rest, ok = s.line(rest); !ok {
			return r, b, false
		}
		if line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if s.underscore {
			name = strings.ReplaceAll(name, "_", "-")
		}
		switch {
		case name == "host" && (hosts == 0 || s.lastHost):
			r.host, hosts = value, hosts+1
		case name == "content-length" && (length < 0 || s.lastLength):
			if _, err := fmt.Sscanf(value, "%d", &length); err != nil {
				length = -1
			}
		case name == "transfer-encoding":
			coding = strings.ToLower(value)
		}
	}
	chunked := coding == "chunked" || s.anyCoding && strings.Contains(coding, "chunked")
	if chunked && !(s.lengthWins && length >= 0) {
		r.body, rest, ok = s.chunks(rest)
		return r, rest, ok
	}
	if length = max(length, 0); length > len(rest) {
		return r, b, false
	}
	r.body = rest[:length]
	return r, rest[length:], true
}

func (s sloppy) chunks(b string) (body, rest string, ok bool) {
	for {
		line, rest, ok := s.line(b)
		var size int
		if _, err := fmt.Sscanf(line, "%x", &size); err != nil || !ok || size > len(rest) {
			return "", b, false
		}
		if size == 0 {
			for ok && line != "" {
				line, rest, ok = s.line(rest)
			}
			return body, rest, ok
		}
		body += rest[:size]
		if _, b, ok = s.line(rest[size:]); !ok {
			return "", b, false
		}
	}
}
