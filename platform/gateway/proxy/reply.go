package proxy

import (
	"bufio"
	"net"
	"net/http"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// reply is the client's ResponseWriter: it notes status and size of the answer, whoever
// gives it, and lets filters complete its head.
type reply struct {
	http.ResponseWriter

	x     *Exchange
	wrote bool
}

// WriteHeader implements http.ResponseWriter.
func (r *reply) WriteHeader(status int) {
	if status >= http.StatusOK && !r.wrote {
		r.wrote, r.x.Status = true, status
		r.x.gateway.Answer(r.x, status, filter.NetHTTP(r.Header()))
	}
	r.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (r *reply) Write(p []byte) (int, error) {
	r.begin()
	n, err := r.ResponseWriter.Write(p)
	r.x.Bytes += int64(n)
	return n, err
}

// begin is what net/http does by itself where nobody says the status.
func (r *reply) begin() {
	if !r.wrote {
		r.WriteHeader(http.StatusOK)
	}
}

// FlushError is what http.ResponseController asks for.
func (r *reply) FlushError() error {
	r.begin()
	return http.NewResponseController(r.ResponseWriter).Flush()
}

// Flush implements http.Flusher, which middlewares look for.
func (r *reply) Flush() { _ = r.FlushError() }

// Hijack implements http.Hijacker, which middlewares look for.
func (r *reply) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(r.ResponseWriter).Hijack()
}

// Unwrap lets http.ResponseController find the rest.
func (r *reply) Unwrap() http.ResponseWriter { return r.ResponseWriter }
