package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
)

// A body that stops in the middle is the client's fault, with a status of its own.
func TestStalledBody(t *testing.T) {
	in := serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	e := newEdge(t, everything("a"), nil, in)
	for _, key := range []string{"", "k"} {
		stalled := readFunc(func([]byte) (int, error) { return 0, fmt.Errorf("read: %w", os.ErrDeadlineExceeded) })
		r := httptest.NewRequestWithContext(t.Context(), "POST", "/", stalled)
		r.ContentLength = 10
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		if w.Code != http.StatusRequestTimeout || !strings.Contains(w.Body.String(), "did not arrive in time") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	e.end()
	if text := scrape(t, e); strings.Contains(text, `route="/",status_class="5xx"`) {
		t.Errorf("counted as the service's failure:\n%s", text)
	}
}

// The spans of a request say where it went: its own, and one of the call that it becomes,
// which the instance's own spans are below.
func TestSpan(t *testing.T) {
	var passed string
	spans := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test")
	e := newEdge(t, []route.Route{{Path: "/v1", Service: "a"}}, nil, serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) {
		passed = r.Header.Get("Traceparent")
	}))
	ctx, span := tracer.Start(t.Context(), "GET")
	e.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/v1/things", nil))
	span.End()
	asked, s := spans.Ended()[0], spans.Ended()[1]
	if got := fmt.Sprint(s.Attributes()); !strings.Contains(got, "a-1") {
		t.Errorf("the span: %s", got)
	}
	if got := fmt.Sprint(asked.Name(), asked.Attributes()); !strings.Contains(got, "GET a") || !strings.Contains(got, `"http.route":"/v1"`) || asked.Parent().SpanID() != s.SpanContext().SpanID() {
		t.Errorf("the call's span: %s", got)
	}
	if want := "00-" + s.SpanContext().TraceID().String() + "-" + asked.SpanContext().SpanID().String() + "-01"; passed != want {
		t.Errorf("the instance got the trace %q, want %q", passed, want)
	}
	if l := e.logged(t)[0]; l.TraceID != s.SpanContext().TraceID().String() {
		t.Errorf("logged: %+v", l)
	}
}

func TestOneGatewayARegistry(t *testing.T) {
	reg := prometheus.NewRegistry()
	resolver := discovery.Fixed(nil)
	cfg := proxy.Config{Caller: call.New(call.Config{Resolver: resolver}), Resolver: resolver, Metrics: reg}
	if _, err := proxy.New(cfg); err != nil {
		t.Fatal(err)
	}
	if _, err := proxy.New(cfg); err == nil {
		t.Error("two gateways count in the same metrics")
	}
}

func ExampleGateway() {
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "a page of ", r.URL.Path)
	}))
	defer catalog.Close()
	resolver := discovery.Fixed(map[string][]discovery.Instance{
		"catalog": {{ID: "catalog-1", Endpoints: map[string]string{discovery.HTTP: catalog.Listener.Addr().String()}}},
	})
	caller := call.New(call.Config{Resolver: resolver, Settings: resilience.Settings{Timeout: -1}})
	defer caller.Close()
	g, err := proxy.New(proxy.Config{Caller: caller, Resolver: resolver, Metrics: prometheus.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	table, err := route.New([]route.Route{{Path: "/v1/products", Service: "catalog"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	g.SetTable(table)

	for _, path := range []string{"/v1/products/p-1", "/v1/orders"} {
		w := httptest.NewRecorder()
		g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(w.Code, strings.TrimSpace(w.Body.String()))
	}
	// Output:
	// 200 a page of /v1/products/p-1
	// 404 {"type":"about:blank","title":"Not Found","status":404,"detail":"no service is routed at this path","instance":"/v1/orders","code":"not_found"}
}
