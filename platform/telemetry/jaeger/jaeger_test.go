package jaeger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/jaeger"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return noon }

func traceID(n uint64) (id signal.TraceID) { binary.BigEndian.PutUint64(id[8:], n); return id }
func spanID(n uint64) (id signal.SpanID)   { binary.BigEndian.PutUint64(id[:], n); return id }

func text(key, value string) signal.Attribute {
	return signal.Attribute{Key: key, Value: signal.StringValue(value)}
}

// order is a trace of three spans of a second.
func order(n uint64, before time.Duration) []signal.Span {
	start := noon.Add(-before).UnixNano()
	return []signal.Span{
		{Trace: traceID(n), ID: spanID(1), Service: "edge", Name: "POST /v1/orders", Kind: signal.Server, Start: start, Duration: 1e9, Status: signal.OK, State: "ot=th:0"},
		{Trace: traceID(n), ID: spanID(2), Parent: spanID(1), Service: "edge", Name: "POST", Kind: signal.Client, Start: start + 1e6, Duration: 998e6},
		{
			Trace: traceID(n), ID: spanID(3), Parent: spanID(2), Service: "orders", Name: "POST /v1/orders", Kind: signal.Server, Status: signal.Error, Message: "sold out",
			Start: start + 2e6, Duration: 996e6, Scope: "otelhttp",
			Attributes: signal.Attributes{
				text("user.id", "7"),
				{Key: "http.response.status_code", Value: signal.IntValue(409)},
				{Key: "cents", Value: signal.FloatValue(9.5)},
				{Key: "late", Value: signal.BoolValue(true)},
				{Key: "items", Value: signal.JSONValue(`["a",1,{"b":null}]`)},
			},
			Resource: signal.Attributes{text("service.instance.id", "orders-1")},
			Events:   []signal.Event{{Time: start + 3e6, Name: "exception", Attributes: signal.Attributes{text("exception.message", "sold out")}}},
			Links:    []signal.Link{{Trace: traceID(99), Span: spanID(9)}},
		},
	}
}

// filled is a handler on two orders.
func filled(t *testing.T) http.Handler {
	t.Helper()
	s, err := store.Open(t.TempDir(), store.Config{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	g := graph.New(graph.Config{Now: clock})
	for n := range uint64(2) {
		spans := order(n+1, time.Duration(2-n)*time.Minute)
		if err := s.Append(t.Context(), signal.Batch{Spans: spans}); err != nil {
			t.Fatal(err)
		}
		g.Add(spans)
	}
	return jaeger.New(jaeger.Config{Store: s, Graph: g, Now: clock})
}

func ask(h http.Handler, request string) (int, []byte) {
	method, url, _ := strings.Cut(request, " ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, url, nil))
	return w.Code, w.Body.Bytes()
}

// What Jaeger's user interface asks for is answered as it was when somebody last looked at
// it. UPDATE=1 writes the answers anew.
func TestTheRequestsOfTheUserInterface(t *testing.T) {
	const name = "testdata/ui.txt"
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	h := filled(t)
	var got bytes.Buffer
	for part := range strings.SplitSeq(strings.TrimSpace(string(want)), "\n\n") {
		request, _, _ := strings.Cut(part, "\n")
		status, body := ask(h, request)
		if got.Len() > 0 {
			got.WriteString("\n")
		}
		fmt.Fprintf(&got, "%s\n%d ", request, status)
		if err := json.Indent(&got, body, "", " "); err != nil {
			t.Errorf("%s: %v", request, err)
		}
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got.String() != string(want) {
		t.Errorf("the answers differ from %s: run with UPDATE=1 and look at what changed\n%s", name, got.String())
	}
}

// Answers of version 3 are OTLP's messages in JSON: whoever reads those reads these. Ids
// alone are written otherwise than protobuf does.
func TestTracesOfVersion3AreOTLP(t *testing.T) {
	status, body := ask(filled(t), "GET /api/v3/traces/1")
	var answer struct{ Result json.RawMessage }
	if err := json.Unmarshal(body, &answer); err != nil || status != 200 {
		t.Fatal(status, err)
	}
	var data tracepb.TracesData
	if err := protojson.Unmarshal(answer.Result, &data); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range data.GetResourceSpans() {
		for _, s := range r.GetScopeSpans() {
			for _, span := range s.GetSpans() {
				names = append(names, fmt.Sprint(r.GetResource().GetAttributes()[0].GetValue().GetStringValue(), " ", span.GetName(), " ", span.GetKind(), " ", span.GetEndTimeUnixNano()-span.GetStartTimeUnixNano()))
			}
		}
	}
	if got, want := strings.Join(names, ", "), "edge POST /v1/orders SPAN_KIND_SERVER 1000000000, edge POST SPAN_KIND_CLIENT 998000000, orders POST /v1/orders SPAN_KIND_SERVER 996000000"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if items := data.GetResourceSpans()[1].GetScopeSpans()[0].GetSpans()[0].GetAttributes()[4].GetValue().GetArrayValue().GetValues(); len(items) != 3 || items[1].GetIntValue() != 1 {
		t.Error(items)
	}
}

func TestSearches(t *testing.T) {
	h := filled(t)
	for url, want := range map[string]int{
		"service=edge":                           2,
		"service=edge&limit=1":                   1,
		"service=edge&limit=9999":                2,
		"service=edge&lookback=90s":              1,
		"service=edge&lookback=2d":               2,
		"service=edge&minDuration=1.5s":          0,
		"service=orders&maxDuration=996ms":       2,
		"service=orders&maxDuration=995000":      0,
		"service=edge&operation=POST":            2,
		"service=edge&tag=error:true":            0,
		"service=orders&tag=error:true":          2,
		"service=orders&tag=span.kind:client":    0,
		"service=orders&tag=user.id:8":           0,
		"service=orders&tags={%22user.id%22:7}":  2,
		"service=orders&tag=otel.status_code:OK": 0,
		"service=nobody":                         0,
		"service=edge&unknown=x":                 2,
	} {
		status, body := ask(h, "GET /api/traces?"+url)
		var answer struct{ Data []any }
		if err := json.Unmarshal(body, &answer); err != nil || status != 200 || len(answer.Data) != want {
			t.Errorf("%s: %d %v, %d traces, want %d", url, status, err, len(answer.Data), want)
		}
	}
}

// broken is a store that fails.
type broken struct {
	signal.Store
	err error
}

func (b broken) Trace(context.Context, signal.TraceID) ([]signal.Span, error) { return nil, b.err }

func (b broken) Spans(context.Context, signal.SpanQuery) iter.Seq2[*signal.Span, error] {
	return func(yield func(*signal.Span, error) bool) { yield(nil, b.err) }
}

func TestAStoreThatFailsIsNotQuoted(t *testing.T) {
	for err, want := range map[error]int{errors.New("the disk broke"): 500, context.DeadlineExceeded: 504} {
		h := jaeger.New(jaeger.Config{Store: broken{err: err}})
		for _, url := range []string{"/api/traces/1", "/api/v3/traces/1"} {
			if status, body := ask(h, "GET "+url); status != want || strings.Contains(string(body), "disk") {
				t.Errorf("%s: %d %s", url, status, body)
			}
		}
		for _, url := range []string{"/api/traces?service=x", "/api/v3/trace-summaries", "/api/operations?service=x"} {
			if status, body := ask(h, "GET "+url); want == 500 && status != 500 || want == 504 && status != 200 || strings.Contains(string(body), "disk") {
				t.Errorf("%s: %d %s", url, status, body)
			}
		}
	}
}

func FuzzQueries(f *testing.F) {
	for _, q := range []string{"service=a&tags={}", "service=a&lookback=2w&start=1&end=2", "query.serviceName=a&query.attributes={\"a\":[1]}&query.durationMin=1s", "traceID=1"} {
		f.Add(q)
	}
	h := jaeger.New(jaeger.Config{Store: broken{err: context.DeadlineExceeded}})
	f.Fuzz(func(t *testing.T, q string) {
		for _, path := range []string{"/api/traces", "/api/v3/traces", "/api/v3/trace-summaries", "/api/operations", "/api/dependencies"} {
			r := httptest.NewRequest("GET", path, nil)
			r.URL.RawQuery = q
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code == 500 || !json.Valid(w.Body.Bytes()) {
				t.Errorf("%s?%s: %d %s", path, q, w.Code, w.Body)
			}
		}
	})
}
