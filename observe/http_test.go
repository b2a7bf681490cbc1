package observe_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/observe"
)

// book keeps the spans and the last metrics of a process.
type book struct {
	*tracetest.InMemoryExporter
	metrics *pages
}

type pages struct {
	discard
	mu   sync.Mutex
	last metricdata.ResourceMetrics
}

func (p *pages) Export(_ context.Context, m *metricdata.ResourceMetrics) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = *m
	return nil
}

func newBook() book { return book{tracetest.NewInMemoryExporter(), &pages{}} }

func (b book) Export(context.Context, string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	return b, b.metrics, nil
}

// ExportSpans and Shutdown keep what was sent: the exporter's own Shutdown forgets it.
func (b book) ExportSpans(ctx context.Context, list []sdktrace.ReadOnlySpan) error {
	return b.InMemoryExporter.ExportSpans(ctx, list)
}
func (book) Shutdown(context.Context) error { return nil }

// points returns the durations that a metric has, by their attributes.
func (b book) points(name string) map[string]uint64 {
	all := map[string]uint64{}
	for _, scope := range b.metrics.last.ScopeMetrics {
		for _, m := range scope.Metrics {
			if h, ok := m.Data.(metricdata.Histogram[float64]); ok && m.Name == name {
				for _, p := range h.DataPoints {
					var parts []string
					for _, a := range p.Attributes.ToSlice() {
						parts = append(parts, string(a.Key)+"="+a.Value.String())
					}
					slices.Sort(parts)
					all[strings.Join(parts, " ")] = p.Count
				}
			}
		}
	}
	return all
}

func observed(t *testing.T, b book) (tel *observe.Telemetry, end func()) {
	t.Helper()
	tel, err := observe.Start(t.Context(), observe.Config{Service: "shop", Exporter: b, Endpoint: "http://x"})
	if err != nil {
		t.Fatal(err)
	}
	return tel, func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

func attributes(s tracetest.SpanStub) string {
	var parts []string
	for _, a := range s.Attributes {
		parts = append(parts, string(a.Key)+"="+a.Value.String())
	}
	return strings.Join(parts, " ")
}

func TestServerSpansAndMetrics(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/products/{id}", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })
	mux.HandleFunc("/broken", func(w http.ResponseWriter, r *http.Request) {
		observe.Route(r.Context(), "/{what}")
		w.WriteHeader(http.StatusBadGateway)
	})
	mux.HandleFunc("/cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	h := tel.Handler(mux)
	ask := func(method, path string) {
		defer func() { _ = recover() }() // as net/http does
		r := httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
		r.Header.Set(observe.RequestIDHeader, "r-1")
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, path := range []string{"/v1/products/p-1", "/v1/products/p-2", "/broken", "/cut", "/none"} {
		ask("GET", path)
	}
	ask("BREW", "/none")
	for _, path := range []string{"/livez", "/readyz", "/startupz", "/.muster/sagas", "/.muster"} {
		ask("GET", path)
	}
	end()
	var got []string
	for _, s := range b.GetSpans() {
		if s.SpanKind != trace.SpanKindServer {
			t.Errorf("%s is of the kind %s", s.Name, s.SpanKind)
		}
		got = append(got, s.Name+" "+s.Status.Code.String()+" "+attributes(s))
	}
	want := []string{
		"GET /v1/products/{id} Unset http.request.method=GET url.path=/v1/products/p-1 http.route=/v1/products/{id} http.response.status_code=200 muster.request_id=r-1",
		"GET /v1/products/{id} Unset http.request.method=GET url.path=/v1/products/p-2 http.route=/v1/products/{id} http.response.status_code=200 muster.request_id=r-1",
		"GET /{what} Error http.request.method=GET url.path=/broken http.route=/{what} http.response.status_code=502 muster.request_id=r-1 error.type=502",
		"GET /cut Error http.request.method=GET url.path=/cut http.route=/cut muster.request_id=r-1 error.type=aborted",
		"GET Unset http.request.method=GET url.path=/none http.response.status_code=404 muster.request_id=r-1",
		"_OTHER Unset http.request.method=_OTHER url.path=/none http.response.status_code=404 muster.request_id=r-1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	points := b.points("http.server.request.duration")
	if n := points["http.request.method=GET http.response.status_code=200 http.route=/v1/products/{id} url.scheme=http"]; n != 2 || len(points) != 5 {
		t.Errorf("metrics: %v", points)
	}
}

// A span of a call ends with the body of its answer, and says what became of it.
func TestClientSpansAndMetrics(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Traceparent") == "" || r.Header.Get(observe.RequestIDHeader) != "r-1" {
			t.Errorf("it was sent %v", r.Header)
		}
		if r.URL.Path == "/conflict" {
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = io.WriteString(w, "text")
	}))
	client := &http.Client{Transport: tel.Transport(http.DefaultTransport)}
	ask := func(url string) {
		r, err := http.NewRequestWithContext(observe.WithRequestID(t.Context(), "r-1"), http.MethodGet, url, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(r)
		if err != nil {
			return
		}
		_ = tel.Traces.(*sdktrace.TracerProvider).ForceFlush(t.Context())
		before := len(b.GetSpans())
		if _, err := io.ReadAll(res.Body); err != nil {
			t.Error(err)
		}
		_ = tel.Traces.(*sdktrace.TracerProvider).ForceFlush(t.Context())
		if len(b.GetSpans()) != before+1 {
			t.Errorf("%s: the span did not end with the body", url)
		}
		_ = res.Body.Close()
		if r.Header.Get("Traceparent") != "" {
			t.Error("the caller's request was changed")
		}
	}
	ask(server.URL + "/ok?secret=1")
	ask(server.URL + "/conflict")
	server.Close()
	ask(server.URL + "/away")
	end()
	var got []string
	for _, s := range b.GetSpans() {
		if s.SpanKind != trace.SpanKindClient {
			t.Errorf("%s is of the kind %s", s.Name, s.SpanKind)
		}
		got = append(got, strings.ReplaceAll(s.Name+" "+s.Status.Code.String()+" "+attributes(s), server.URL, "URL"))
	}
	want := []string{
		"GET 127.0.0.1 Unset http.request.method=GET server.address=127.0.0.1 url.full=URL/ok http.response.status_code=200",
		"GET 127.0.0.1 Error http.request.method=GET server.address=127.0.0.1 url.full=URL/conflict http.response.status_code=409 error.type=409",
		"GET 127.0.0.1 Error http.request.method=GET server.address=127.0.0.1 url.full=URL/away error.type=no_answer",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	if points := b.points("http.client.request.duration"); len(points) != 3 {
		t.Errorf("metrics: %v", points)
	}
}

// What a handler could do with its ResponseWriter it still can.
func TestTheWriterKeepsItsAbilities(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	defer end()
	server := httptest.NewServer(tel.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/flush":
			if f, ok := w.(http.Flusher); !ok {
				t.Error("it cannot be flushed")
			} else {
				f.Flush()
			}
			if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
				t.Error(err)
			}
			if _, err := io.Copy(w, strings.NewReader("copied")); err != nil {
				t.Error(err)
			}
		case "/hijack":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\ntaken!")
			_ = conn.Close()
		}
	})))
	defer server.Close()
	for path, want := range map[string]string{"/flush": "copied", "/hijack": "taken!"} {
		res, err := http.Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != want || err != nil {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
}

func TestRouteOf(t *testing.T) {
	for pattern, want := range map[string]string{
		"": "", "/": "/", "GET /v1/{id}": "/v1/{id}", "POST  /x": "/x", "/v1/products/": "/v1/products/", "GET example.com/a/{$}": "/a/", "example.com/b": "/b",
	} {
		if got := observe.RouteOf(pattern); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

// The process tells of itself.
func TestProcessMetrics(t *testing.T) {
	b := newBook()
	_, end := observed(t, b)
	end()
	got := map[string]bool{}
	for _, scope := range b.metrics.last.ScopeMetrics {
		for _, m := range scope.Metrics {
			got[m.Name] = true
			if sum, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "go.goroutine.count" && sum.DataPoints[0].Value < 1 {
				t.Errorf("%d goroutines", sum.DataPoints[0].Value)
			}
		}
	}
	for _, name := range []string{"go.memory.used", "go.memory.gc.goal", "go.memory.allocated", "go.memory.allocations", "go.gc.cycles", "go.goroutine.count", "go.processor.limit", "process.uptime"} {
		if !got[name] {
			t.Errorf("%s is missing in %v", name, got)
		}
	}
}

func TestAWrongSamplerIsToldAndTheUsualTaken(t *testing.T) {
	var log bytes.Buffer
	b := newBook()
	tel, err := observe.Start(t.Context(), observe.Config{
		Service: "shop", Exporter: b, Endpoint: "http://x", Log: &log,
		Env: func(name string) (string, bool) { return "sometimes", name == "OTEL_TRACES_SAMPLER" },
	})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Traces.Tracer("test").Start(t.Context(), "s")
	if !span.SpanContext().IsSampled() || !strings.Contains(log.String(), "sometimes") {
		t.Errorf("%v, %s", span.SpanContext(), &log)
	}
	span.End()
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func ExampleTelemetry_Handler() {
	tel, err := observe.Start(context.Background(), observe.Config{Service: "catalog"}) // without an exporter
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/products/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "traced: ", trace.SpanContextFromContext(r.Context()).HasTraceID())
	})
	w := httptest.NewRecorder()
	tel.Handler(mux).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v1/products/p-1", http.NoBody))
	fmt.Println(w.Body)
	// Output: traced: true
}
