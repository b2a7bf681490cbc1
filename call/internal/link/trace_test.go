package link_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/musterdev/muster/call/internal/link"
	"github.com/musterdev/muster/call/seen"
)

// A request that has to wait for another's connection says so, and one that finds a free
// one or opens it does not.
func TestQueuedForAConnection(t *testing.T) {
	held, arrived := make(chan struct{}), make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/held" {
			arrived <- struct{}{}
			<-held
		}
	}))
	defer s.Close()
	dialer := &net.Dialer{}
	h := link.New(func(ctx context.Context, addr string) (net.Conn, error) { return dialer.DialContext(ctx, "tcp", addr) }, nil, false, 1)
	defer h.CloseIdleConnections()
	var traces link.Traces
	send := func(path string) *link.Trace {
		ctx, trace := traces.Follow(t.Context(), h.Waits)
		r, _ := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+path, nil)
		res, err := h.RoundTrip(r)
		if err != nil {
			t.Error(err)
			return trace
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		if !trace.Begun() || !trace.Sent() {
			t.Errorf("%s: begun %v, sent %v", path, trace.Begun(), trace.Sent())
		}
		return trace
	}
	waiting := func(n int64) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			var s seen.Connections
			if h.Waits.Add(&s); s.Waiting == n {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%+v, want %d that wait", s, n)
			}
		}
	}
	if q := send("/").Queued(); q != 0 {
		t.Errorf("it opened the connection: %s", q)
	}
	first, second := make(chan *link.Trace), make(chan *link.Trace)
	go func() { first <- send("/held") }()
	<-arrived // it has the connection
	go func() { second <- send("/") }()
	waiting(1)
	close(held)
	if q := (<-first).Queued(); q != 0 {
		t.Errorf("it found a free connection: %s", q)
	}
	if q := (<-second).Queued(); q <= 0 {
		t.Error("it waited for the first one's connection")
	}
	waiting(0)
}
