package idempotency

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/musterdev/muster/problem"
)

// The HTTP headers.
const (
	KeyHeader      = "Idempotency-Key"
	ReplayedHeader = "Idempotency-Replayed" // "true" on an answer that is an earlier one
)

// MaxBody is the most bytes the body of an HTTP request with a key may have: it is
// read ahead, because two requests are the same only if their bodies are.
const MaxBody = 1 << 20

// Middleware passes the Idempotency-Key of unsafe requests (all but GET, HEAD,
// OPTIONS and TRACE) to the handler's context, for [Run] and [Begin], and sets
// Idempotency-Replayed on what they replay. Keys are unique within method, path and
// principal; the same key with another query or body is a different request, 422.
// A malformed key is answered with 400, a body over 1 MiB with 413. With a nil next
// every request is answered with 500.
func Middleware(next http.Handler) http.Handler {
	if next == nil {
		return unusable(errNoHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, r, err := read(r)
		switch {
		case err != nil:
			problem.Write(w, r, err)
		case req == nil:
			next.ServeHTTP(w, r)
		default:
			r = r.WithContext(WithRequest(r.Context(), *req))
			next.ServeHTTP(&marker{ResponseWriter: w, call: callOf(r.Context())}, r)
		}
	})
}

var errNoHandler = errors.New("idempotency: the handler to serve by is nil")

// unusable answers every request with err, which the caller does not see.
func unusable(err error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		problem.Write(w, r, problem.Wrap(err, problem.Internal, "this service is not set up rightly; its log says why"))
	})
}

// read returns the idempotent request in r, nil when it has no key, and r with its
// body ready to be read again.
func read(r *http.Request) (*Request, *http.Request, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return nil, r, nil
	}
	key, err := keyOf(r.Header)
	if key == "" || err != nil {
		return nil, r, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, MaxBody))
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return nil, r, problem.Wrap(err, problem.TooLarge, "a request with an idempotency key may have a body of 1 MiB at most")
	case err != nil:
		return nil, r, problem.Wrap(err, problem.InvalidArgument, "the request's body could not be read")
	}
	copied := *r
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return &Request{
		Scope:       scopeOf(r.Context(), r.Method+" "+r.URL.EscapedPath()),
		Key:         key,
		Fingerprint: fingerprint([]byte(r.Method), []byte(r.URL.EscapedPath()), []byte(r.URL.RawQuery), body),
	}, &copied, nil
}

// keyOf returns the header's key, "" when there is none. The draft writes it as a
// string of RFC 9651, in quotes; most clients write it bare.
func keyOf(h http.Header) (string, error) {
	values := h.Values(KeyHeader)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
	default:
		return "", problem.New(problem.InvalidArgument, "the request has %d idempotency keys: send one", len(values)).WithField(KeyHeader, "more than one")
	}
	key := strings.Trim(values[0], " \t")
	if strings.HasPrefix(key, `"`) {
		var ok bool
		if key, ok = unquote(key); !ok {
			return "", badKey
		}
	}
	return key, checkKey(key)
}

// unquote reads a string of RFC 9651, section 4.2.5.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for s = s[1:]; s != ""; s = s[1:] {
		switch s[0] {
		case '"':
			return b.String(), s == `"`
		case '\\':
			if s = s[1:]; s == "" || s[0] != '"' && s[0] != '\\' {
				return "", false
			}
		}
		b.WriteByte(s[0])
	}
	return "", false
}

// fingerprint hashes parts so that no two lists of them give the same input.
func fingerprint(parts ...[]byte) (sum [32]byte) {
	h := sha256.New()
	for _, p := range parts {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(p))))
		h.Write(p)
	}
	return [32]byte(h.Sum(nil))
}

// marker sets Idempotency-Replayed before the header is sent.
type marker struct {
	http.ResponseWriter
	call *call
}

func (m *marker) mark() {
	if m.call.replayed.Load() {
		m.Header().Set(ReplayedHeader, "true")
	}
}

func (m *marker) WriteHeader(status int) {
	m.mark()
	m.ResponseWriter.WriteHeader(status)
}

func (m *marker) Write(b []byte) (int, error) {
	m.mark()
	return m.ResponseWriter.Write(b)
}

// FlushError sends what was written; http.ResponseController calls it.
func (m *marker) FlushError() error {
	m.mark()
	return http.NewResponseController(m.ResponseWriter).Flush()
}

// Flush is FlushError for code that looks for an http.Flusher.
func (m *marker) Flush() { _ = m.FlushError() }

// Unwrap lets http.ResponseController reach what else the writer can do.
func (m *marker) Unwrap() http.ResponseWriter { return m.ResponseWriter }
