package relay_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/relay"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/valve"
)

// collected are the spans that left the edge.
type collected struct {
	mu   sync.Mutex
	held []sdktrace.ReadOnlySpan
}

func (c *collected) Export(context.Context, string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	return c, unread{}, nil
}

func (c *collected) ExportSpans(_ context.Context, list []sdktrace.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, list...)
	return nil
}

func (*collected) Shutdown(context.Context) error { return nil }

// unread is where the metrics go.
type unread struct{ sdkmetric.Exporter }

func (unread) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}

func (unread) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (unread) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (unread) ForceFlush(context.Context) error                          { return nil }
func (unread) Shutdown(context.Context) error                            { return nil }

// Who is turned away while the processors are behind is told when to come again, reaches no
// instance, and leaves no span but where one of all requests would.
func TestWhoIsTurnedAwayCostsLittle(t *testing.T) {
	var reached atomic.Int64
	addr := handled(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	resolver := discovery.Fixed(map[string][]discovery.Instance{"a": {{ID: addr, State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: addr}}}})
	caller := call.New(call.Config{Resolver: resolver})
	defer caller.Close()
	closing := &valve.Valve{}
	var pressure admission.Pressure
	for range 3 {
		pressure.Tick(admission.Seen{Took: admission.PressureTick, Wait: 30 * time.Millisecond, Runnable: 100, Done: 1, Arrived: 240})
	}
	closing.Follow(&pressure)
	log := accesslog.New(io.Discard)
	g, err := proxy.New(proxy.Config{Caller: caller, Resolver: resolver, Metrics: prometheus.NewRegistry(), Log: log, Valve: closing})
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.New([]route.Route{{Path: "/", Service: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	g.SetTable(table)
	spans := &collected{}
	telemetry, err := observe.Start(t.Context(), observe.Config{Service: "edge", Exporter: spans, Endpoint: "http://x", Slow: -1})
	if err != nil {
		t.Fatal(err)
	}
	pool := upstream.New(upstream.Config{})
	defer pool.Close()
	engine := http1.New(http1.Config{
		Session: relay.New(relay.Config{Caller: caller, Upstream: pool, Gateway: g, Edge: telemetry.Edge()}).Session,
		Other:   nethttp.New(nethttp.Config{Handler: g}),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- engine.Serve(l) }()

	const n = 400
	c, r := dial(t, l.Addr().String())
	passed := int64(0)
	for range n {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			t.Fatal(err)
		}
		switch told := res.Header.Get("Retry-After") == "1" && res.Header.Get(resilience.ShedHeader) == "1"; {
		case res.StatusCode == http.StatusOK:
			passed++
		case res.StatusCode != http.StatusServiceUnavailable || !told:
			t.Errorf("%d %v", res.StatusCode, res.Header)
		}
	}
	_ = c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := engine.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for what, end := range map[string]func(context.Context) error{"spans": telemetry.Shutdown, "log": log.Close} {
		if err := end(ctx); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if passed == 0 || passed > n/2 || reached.Load() != passed {
		t.Errorf("%d of %d passed, %d reached an instance", passed, n, reached.Load())
	}
	sampled, kept := 0, 0
	for _, s := range spans.held {
		if s.SpanContext().IsSampled() {
			sampled++
		}
		for _, a := range s.Attributes() {
			if a.Key == "muster.kept" {
				kept++
			}
		}
	}
	if sampled == 0 || kept > 0 {
		t.Errorf("%d spans were sampled, and %d more kept for their failure", sampled, kept)
	}
}
