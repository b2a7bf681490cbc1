package otlp_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/observe"
)

// count is a backend that answers with what it is told and counts the spans it took.
type count struct {
	status atomic.Int64
	asked  atomic.Int64
	spans  atomic.Int64

	metrics atomic.Int64 // requests with metrics
}

func (c *count) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v1/traces" {
		c.metrics.Add(1)
		return
	}
	c.asked.Add(1)
	if status := int(c.status.Load()); status != 0 {
		w.WriteHeader(status)
		return
	}
	body, err := io.ReadAll(r.Body)
	var req collecttrace.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(body, &req) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for _, rs := range req.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			c.spans.Add(int64(len(ss.GetSpans())))
		}
	}
}

// A backend that is away, or overloaded, gets the spans when it is back; what it refuses is
// not sent again.
func TestABackendThatComesLaterLosesNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close() // nobody listens there now
	tel, err := observe.Start(t.Context(), observe.Config{Service: "orders", Exporter: otlp.Driver, Endpoint: "http://" + address})
	if err != nil {
		t.Fatal(err)
	}
	end := func(n int) {
		for i := range n {
			_, span := tel.Traces.Tracer("test").Start(t.Context(), fmt.Sprint(i))
			span.End()
		}
	}
	end(10)
	backend := &count{}
	wait := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(20 * time.Second); !holds(); <-time.After(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not %s: asked %d times, %d spans", what, backend.asked.Load(), backend.spans.Load())
			}
		}
	}
	if l, err = net.Listen("tcp", address); err != nil {
		t.Skipf("somebody took the port meanwhile: %v", err)
	}
	server := &http.Server{Handler: backend, ReadHeaderTimeout: time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	wait("sent when it was there", func() bool { return backend.spans.Load() == 10 })

	backend.status.Store(http.StatusServiceUnavailable)
	asked := backend.asked.Load()
	end(10)
	wait("tried twice", func() bool { return backend.asked.Load() >= asked+2 })
	backend.status.Store(0)
	wait("sent when it had recovered", func() bool { return backend.spans.Load() == 20 })

	backend.status.Store(http.StatusBadRequest)
	asked = backend.asked.Load()
	end(10)
	wait("refused", func() bool { return backend.asked.Load() == asked+1 })
	backend.status.Store(0)
	end(10)
	wait("going on", func() bool { return backend.spans.Load() == 30 })
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := backend.spans.Load(); n != 30 {
		t.Errorf("%d spans came, want 30", n)
	}
	_ = server.Close()
	<-served
}
