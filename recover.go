package muster

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"

	"github.com/musterdev/muster/problem"
)

// recoverHTTP makes a panic in a handler an internal error of that one request;
// gRPC's interceptor in package problem does the same. When the answer has begun it
// is cut off instead, so that nobody takes what came for the whole.
func recoverHTTP(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		noted := &noteHeader{ResponseWriter: w}
		defer func() {
			p := recover()
			if p == nil {
				return
			}
			if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
				panic(p) //nolint:forbidigo // the handler's own way to cut the connection
			}
			err := problem.Recovered(p)
			log.ErrorContext(r.Context(), "panic in a handler", "method", r.Method, "path", r.URL.Path, "error", err)
			if noted.sent {
				panic(http.ErrAbortHandler) //nolint:forbidigo // net/http's way to cut an answer off
			}
			problem.Write(w, r, err)
		}()
		next.ServeHTTP(noted, r)
	})
}

// noteHeader notes whether the answer has begun: from then on it cannot become
// another.
type noteHeader struct {
	http.ResponseWriter
	sent bool
}

func (n *noteHeader) WriteHeader(status int) {
	n.sent = n.sent || status >= 200 || status == http.StatusSwitchingProtocols // 1xx only announce it
	n.ResponseWriter.WriteHeader(status)
}

func (n *noteHeader) Write(p []byte) (int, error) {
	n.sent = true
	return n.ResponseWriter.Write(p)
}

// ReadFrom keeps what io.Copy saves on a connection of net/http.
func (n *noteHeader) ReadFrom(r io.Reader) (int64, error) {
	n.sent = true
	return io.Copy(n.ResponseWriter, r)
}

func (n *noteHeader) FlushError() error {
	n.sent = true
	return http.NewResponseController(n.ResponseWriter).Flush()
}

// Flush is for handlers that ask for an http.Flusher.
func (n *noteHeader) Flush() { _ = n.FlushError() }

// Hijack hands over the connection where it has one of its own, as in HTTP/1.1.
func (n *noteHeader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(n.ResponseWriter).Hijack()
	n.sent = n.sent || err == nil
	return conn, rw, err
}

// Unwrap lets http.ResponseController reach what else the writer can do.
func (n *noteHeader) Unwrap() http.ResponseWriter { return n.ResponseWriter }
