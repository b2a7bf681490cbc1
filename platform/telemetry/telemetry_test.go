package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	collectlogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry"
	"github.com/musterdev/muster/platform/telemetry/metrics/otlptest"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// backend is a Telemetry that runs and is served.
type backend struct {
	*telemetry.Telemetry

	url string
	end func() // at the latest when the test ends
}

func run(t *testing.T, cfg telemetry.Config) *backend {
	t.Helper()
	tel, err := telemetry.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for pattern, h := range tel.Intake() {
		mux.Handle(pattern, h)
	}
	for pattern, h := range tel.Answers() {
		mux.Handle(pattern, h)
	}
	srv := httptest.NewUnstartedServer(mux)
	srv.Config.Protocols = new(http.Protocols) // gRPC comes over HTTP/2 without TLS
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tel.Run(ctx) }()
	b := &backend{Telemetry: tel, url: srv.URL, end: sync.OnceFunc(func() {
		srv.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := tel.Close(); err != nil {
			t.Error(err)
		}
	})}
	t.Cleanup(b.end)
	return b
}

// post sends a request and returns the status and the answer.
func (b *backend) post(t *testing.T, path, kind string, body []byte) (int, string) {
	t.Helper()
	res, err := http.Post(b.url+path, kind, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(answer)
}

// ask gets an answer in JSON, or as text.
func (b *backend) ask(t *testing.T, path string, into any) {
	t.Helper()
	res, err := http.Get(b.url + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, res.Status, answer, err)
	}
	if text, ok := into.(*string); ok {
		*text = string(answer)
	} else if err := json.Unmarshal(answer, into); err != nil {
		t.Fatalf("%s: %v in %s", path, err, answer)
	}
}

// await waits until something is so, for up to 20 s.
func await(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !so(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

var traceOne = signal.TraceID{15: 1}

// call is one call of cart by orders, in protobuf.
func call(at time.Time) []byte {
	return encode.Spans([]signal.Span{
		{Trace: traceOne, ID: signal.SpanID{7: 1}, Service: "orders", Name: "GET", Kind: signal.Client, Start: at.UnixNano(), Duration: 4e6},
		{Trace: traceOne, ID: signal.SpanID{7: 2}, Parent: signal.SpanID{7: 1}, Service: "cart", Name: "GET /v1/carts/{id}", Kind: signal.Server, Start: at.UnixNano() + 1e6, Duration: 2e6},
	})
}

const protobuf = "application/x-protobuf"

// feed sends two spans over HTTP, a log record over gRPC and a metric over HTTP, all of a minute ago.
func (b *backend) feed(t *testing.T) {
	t.Helper()
	at := time.Now().Add(-time.Minute)
	if status, answer := b.post(t, "/v1/traces", protobuf, call(at)); status != http.StatusOK {
		t.Fatalf("spans: %d %s", status, answer)
	}
	var logs collectlogs.ExportLogsServiceRequest
	if err := proto.Unmarshal(encode.Logs("cart", "cart-1", []signal.Log{{
		Time: at.UnixNano(), Severity: signal.SeverityWarn, Body: "the cart is empty", Trace: traceOne, Span: signal.SpanID{7: 2},
	}}), &logs); err != nil {
		t.Fatal(err)
	}
	conn, err := grpc.NewClient(strings.TrimPrefix(b.url, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := collectlogs.NewLogsServiceClient(conn).Export(t.Context(), &logs); err != nil {
		t.Fatal(err)
	}
	points, err := proto.Marshal(otlptest.Request("cart", "cart-1", otlptest.Gauge("carts", "", otlptest.Number(time.Now(), 7))))
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := b.post(t, "/v1/metrics", protobuf, points); status != http.StatusOK {
		t.Fatalf("metrics: %d %s", status, answer)
	}
}

// has checks that what feed sent can be asked for, in every way.
func (b *backend) has(t *testing.T) {
	t.Helper()
	var found query.Traces
	b.ask(t, "/v1/telemetry/traces?service=cart", &found)
	if len(found.Traces) != 1 || found.Traces[0].Trace != traceOne || found.Traces[0].Service != "orders" || found.Traces[0].Spans != 2 {
		t.Errorf("traces: %+v", found)
	}
	var trace query.Trace
	b.ask(t, "/v1/telemetry/traces/"+traceOne.String(), &trace)
	if len(trace.Tree) != 2 || trace.Tree[1].Service != "cart" || trace.Tree[1].Depth != 1 || trace.Tree[1].Duration != 2 {
		t.Errorf("the trace: %+v", trace.Tree)
	}
	var logs query.Logs
	b.ask(t, "/v1/telemetry/logs?trace="+traceOne.String(), &logs)
	if len(logs.Logs) != 1 || logs.Logs[0].Body != "the cart is empty" || logs.Logs[0].Service != "cart" || logs.Logs[0].Severity != "warn" {
		t.Errorf("logs: %+v", logs)
	}
	var why query.Why
	b.ask(t, "/v1/telemetry/why/"+traceOne.String(), &why)
	if !strings.Contains(why.Sentence, "2 ms of 4 ms") {
		t.Errorf("why: %s", why.Sentence)
	}
	var number struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	b.ask(t, "/api/v1/query?query="+url.QueryEscape(`last_over_time(carts{job="cart"}[10m])`), &number)
	if r := number.Data.Result; len(r) != 1 || r[0].Value[1] != "7" {
		t.Errorf("the metric: %+v", number)
	}
	var services struct{ Data []string }
	b.ask(t, "/api/services", &services)
	if fmt.Sprint(services.Data) != "[cart orders]" {
		t.Errorf("services for Jaeger: %v", services.Data)
	}
	var text string
	b.ask(t, "/metrics", &text)
	if !strings.Contains(text, `carts{instance="cart-1",job="cart"} 7`) {
		t.Errorf("/metrics:\n%s", text)
	}
}

// drawn reports whether the map has the call.
func (b *backend) drawn(t *testing.T) bool {
	t.Helper()
	var m query.Map
	b.ask(t, "/v1/telemetry/map?window=5m", &m)
	return len(m.Edges) == 1 && m.Edges[0].From == "orders" && m.Edges[0].To == "cart" && m.Edges[0].Count == 1
}

// health asks how the intake fares, and checks its sums.
func (b *backend) health(t *testing.T) query.Health {
	t.Helper()
	var h query.Health
	b.ask(t, "/v1/telemetry/health", &h)
	byService := map[string]int64{}
	for name, s := range h.Services {
		for sig, n := range s.Received {
			byService[sig] += n
		}
		for what, n := range s.Dropped {
			if n <= 0 || !strings.Contains(what, ": ") {
				t.Errorf("%s dropped %d %q", name, n, what)
			}
		}
	}
	for sig, s := range h.Signals {
		sum := s.Stored
		for _, n := range s.Dropped {
			sum += n
		}
		if s.Received != sum || s.Received != byService[sig] {
			t.Errorf("%s: %d were received, %d by services, and %d are accounted for: %+v", sig, s.Received, byService[sig], sum, s)
		}
	}
	return h
}

func TestWhatComesInIsKeptAndFound(t *testing.T) {
	cfg := telemetry.Config{Dir: t.TempDir()}
	b := run(t, cfg)
	b.feed(t)
	b.has(t)
	await(t, "the map has the call", func() bool { return b.drawn(t) })
	h := b.health(t)
	for sig, n := range map[string]int64{"spans": 2, "logs": 1, "points": 1} {
		if s := h.Signals[sig]; s.Received != n || s.Stored != n || s.Returned != 0 {
			t.Errorf("%s: %+v, want %d", sig, s, n)
		}
	}
	if len(h.Notes) != 0 || h.Series == 0 || h.Export != nil || len(h.Usage) != 2 {
		t.Errorf("health: %+v", h)
	}
	b.end()

	b = run(t, cfg) // as after a restart
	b.has(t)
	await(t, "the map is built anew", func() bool { return b.drawn(t) })
	if h := b.health(t); len(h.Signals) != 0 || len(h.Usage) != 2 {
		t.Errorf("after a restart: %+v", h)
	}
}

func TestBadInputIsCountedAndSaid(t *testing.T) {
	b := run(t, telemetry.Config{Dir: t.TempDir()})
	now := time.Now()
	good := signal.Span{Trace: traceOne, ID: signal.SpanID{7: 1}, Service: "web", Name: "GET /", Start: now.UnixNano(), Duration: 1e6}
	noID, ahead, large := good, good, good
	noID.ID = signal.SpanID{}
	ahead.Start = now.AddDate(5, 0, 0).UnixNano()
	large.Attributes = signal.Attributes{}
	for i := range 40 {
		large.Attributes = append(large.Attributes, signal.Attribute{Key: fmt.Sprint("k", i), Value: signal.StringValue(strings.Repeat("x", 60<<10))})
	}
	if status, answer := b.post(t, "/v1/traces", protobuf, encode.Spans([]signal.Span{good, noID, ahead, large})); status != http.StatusOK || !strings.Contains(answer, "clock") {
		t.Errorf("%d %q: the sender should be told", status, answer)
	}
	late, err := proto.Marshal(otlptest.Request("web", "web-1", otlptest.Gauge("g", "", otlptest.Number(now, 1), otlptest.Number(now.Add(time.Hour), 1))))
	if err != nil {
		t.Fatal(err)
	}
	b.post(t, "/v1/metrics", protobuf, late)
	if status, _ := b.post(t, "/v1/logs", "application/json", []byte(`{"resourceLogs":7}`)); status != http.StatusBadRequest {
		t.Errorf("nonsense: %d", status)
	}
	if status, _ := b.post(t, "/v1/logs", "text/plain", nil); status != http.StatusUnsupportedMediaType {
		t.Errorf("text: %d", status)
	}
	h := b.health(t)
	if s := h.Signals["spans"]; s.Received != 4 || s.Stored != 1 || s.Dropped["clock"] != 1 || s.Dropped["invalid id"] != 1 || s.Dropped["too large"] != 1 {
		t.Errorf("spans: %+v", s)
	}
	if s := h.Signals["points"]; s.Received != 2 || s.Stored != 1 || h.Services["web"].Dropped["points: rejected"] != 1 {
		t.Errorf("points: %+v of %+v", s, h.Services)
	}
	notes := strings.Join(h.Notes, "\n")
	for _, want := range []string{
		"1 spans were dropped: clock", "1 spans were dropped: invalid id", "1 spans were dropped: too large",
		"1 points of metrics were dropped: its time is ahead", "1 requests could not be read as OTLP", "1 requests were in a form that is not taken",
	} {
		if !strings.Contains(notes, want) {
			t.Errorf("no note says %q:\n%s", want, notes)
		}
	}
}

// All three signals go on to another backend, which here is one of the same kind.
func TestExport(t *testing.T) {
	other := run(t, telemetry.Config{Dir: t.TempDir()})
	b := run(t, telemetry.Config{Dir: t.TempDir(), Export: other.url})
	b.feed(t)
	b.has(t)
	await(t, "all was sent on", func() bool {
		e := b.health(t).Export
		return e.Waiting == 0 && e.Sent["spans"] == 2 && e.Sent["logs"] == 1 && e.Sent["points"] == 1
	})
	if e := b.health(t).Export; e.Endpoint != other.url || e.Error != "" || len(e.Dropped) != 0 {
		t.Errorf("the export: %+v", e)
	}
	other.has(t)
	await(t, "the other's map has the call", func() bool { return other.drawn(t) })
}

// What the platform has to say itself is kept without being received.
func TestKeep(t *testing.T) {
	b := run(t, telemetry.Config{Dir: t.TempDir()})
	if err := b.Keep(t.Context(), signal.Batch{Logs: []signal.Log{{Time: time.Now().UnixNano(), Service: "edge", Body: "ready"}}}); err != nil {
		t.Fatal(err)
	}
	var logs query.Logs
	b.ask(t, "/v1/telemetry/logs?service=edge", &logs)
	if len(logs.Logs) != 1 || logs.Logs[0].Body != "ready" {
		t.Errorf("logs: %+v", logs)
	}
	if h := b.health(t); len(h.Signals) != 0 {
		t.Errorf("it counts as received: %+v", h.Signals)
	}
}

func TestWhatCannotBeOpened(t *testing.T) {
	dir := t.TempDir()
	if _, err := telemetry.Open(telemetry.Config{Dir: dir, Export: "otlp.example.com"}); err == nil || !strings.Contains(err.Error(), "otlp.example.com") {
		t.Errorf("an export to no URL: %v", err)
	}
	run(t, telemetry.Config{Dir: dir}) // which kept nothing open
	if _, err := telemetry.Open(telemetry.Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder that is in use: %v", err)
	}
}
