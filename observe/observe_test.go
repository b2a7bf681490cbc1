package observe_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/musterdev/muster/observe"
)

// memory is an exporter that keeps what it gets.
type memory struct{ spans *tracetest.InMemoryExporter }

func (m memory) Export(context.Context, string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	return m.spans, discard{}, nil
}

type discard struct{ sdkmetric.Exporter }

func (discard) Temporality(sdkmetric.InstrumentKind) metricdata.Temporality {
	return metricdata.CumulativeTemporality
}

func (discard) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}
func (discard) Export(context.Context, *metricdata.ResourceMetrics) error { return nil }
func (discard) ForceFlush(context.Context) error                          { return nil }
func (discard) Shutdown(context.Context) error                            { return nil }

// One request through two services is one trace, and its log lines carry its ids.
func TestTraceAndRequestIDTravel(t *testing.T) {
	spans := tracetest.NewInMemoryExporter()
	var logs bytes.Buffer
	tel, err := observe.Start(t.Context(), observe.Config{Service: "shop", Instance: "shop-1", Exporter: memory{spans}, Endpoint: "http://x", Log: &logs})
	if err != nil {
		t.Fatal(err)
	}
	inner := httptest.NewServer(tel.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tel.Logger.InfoContext(r.Context(), "inside")
		w.WriteHeader(http.StatusNoContent)
	})))
	defer inner.Close()
	client := &http.Client{Transport: tel.Transport(http.DefaultTransport)}
	outer := httptest.NewServer(tel.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), "GET", inner.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		res, err := client.Do(req)
		if err != nil {
			t.Error(err)
			return
		}
		_ = res.Body.Close()
	})))
	defer outer.Close()

	req, err := http.NewRequestWithContext(t.Context(), "GET", outer.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(observe.RequestIDHeader, "req-7")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if err := tel.Traces.(*sdktrace.TracerProvider).ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := spans.GetSpans()
	if len(got) != 3 {
		t.Fatalf("%d spans, want server, client, server", len(got))
	}
	for _, s := range got[1:] {
		if s.SpanContext.TraceID() != got[0].SpanContext.TraceID() {
			t.Error("the spans belong to different traces")
		}
	}
	var line map[string]any
	if err := json.Unmarshal(logs.Bytes(), &line); err != nil {
		t.Fatalf("log %q: %v", logs.String(), err)
	}
	if line["request_id"] != "req-7" || line["trace_id"] != got[0].SpanContext.TraceID().String() || line["service"] != "shop" {
		t.Errorf("log line %v lacks the request's ids", line)
	}
}

// Without an exporter nothing is recorded, yet a trace id still joins the lines.
func TestNoExporterStillHasTraceIDs(t *testing.T) {
	var logs bytes.Buffer
	tel, err := observe.Start(t.Context(), observe.Config{Service: "shop", Log: &logs})
	if err != nil {
		t.Fatal(err)
	}
	h := tel.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tel.Logger.InfoContext(r.Context(), "x") }))
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if !strings.Contains(logs.String(), `"trace_id":"`) {
		t.Errorf("no trace id in %s", logs.String())
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestValidRequestID(t *testing.T) {
	for id, want := range map[string]bool{
		"": false, "a": true, "0f3-9_x:y": true, "a b": false, "a\n": false, "é": false,
		strings.Repeat("x", 128): true, strings.Repeat("x", 129): false,
	} {
		if got := observe.ValidRequestID(id); got != want {
			t.Errorf("ValidRequestID(%q) = %v", id, got)
		}
	}
}

func TestProbes(t *testing.T) {
	var p observe.Probes
	broken := errors.New("no database")
	var check error
	p.Add("database", func(context.Context) error { return check })
	h := p.Handler(http.NotFoundHandler())
	status := func(path string) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code
	}
	want := func(when string, live, start, ready int) {
		t.Helper()
		if l, s, r := status("/livez"), status("/startupz"), status("/readyz"); l != live || s != start || r != ready {
			t.Errorf("%s: livez %d startupz %d readyz %d, want %d %d %d", when, l, s, r, live, start, ready)
		}
	}
	want("before the start", 200, 503, 503)
	p.Started(true)
	want("serving", 200, 200, 200)
	check = broken
	want("database away", 200, 200, 503)
	check = nil
	p.Draining()
	want("draining", 200, 200, 503)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/readyz", nil))
	if w.Header().Get(observe.LeaseHeader) != "held" || !strings.Contains(w.Body.String(), "shutting down") {
		t.Errorf("readyz: %v %s", w.Header(), w.Body)
	}
	if status("/other") != http.StatusNotFound {
		t.Error("other paths must reach the service")
	}
}
