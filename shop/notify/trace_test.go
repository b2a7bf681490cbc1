package notify_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"
)

// sent is a span as OTLP has it in JSON.
type sent struct {
	TraceID, SpanID, ParentSpanID, TraceState, Name string
	Kind                                            int
	StartTimeUnixNano, EndTimeUnixNano              string
	Status                                          struct{ Code int }
	Attributes                                      []struct {
		Key   string
		Value struct{ StringValue, IntValue string }
	}
}

// backend takes OTLP in JSON, or refuses it for a while.
type backend struct {
	url string

	mu       sync.Mutex
	refuse   int // so many more
	asked    int
	services map[string]bool
	spans    []sent
}

func newBackend(t *testing.T) *backend {
	t.Helper()
	b := &backend{services: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.asked++
		if b.refuse > 0 {
			b.refuse--
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		var body struct {
			ResourceSpans []struct {
				Resource   sent
				ScopeSpans []struct{ Spans []sent }
			}
		}
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &body)
		}
		if err != nil || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.URL, text, err)
		}
		for _, rs := range body.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				b.services[a.Key+"="+a.Value.StringValue] = true
			}
			for _, ss := range rs.ScopeSpans {
				b.spans = append(b.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	return b
}

// wait returns the spans when there are so many.
func (b *backend) wait(t *testing.T, n int) []sent {
	t.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(10 * time.Millisecond) {
		b.mu.Lock()
		spans := b.spans
		b.mu.Unlock()
		if len(spans) >= n {
			return spans
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d spans came, want %d", len(spans), n)
		}
	}
}

// Each event is a span below the one that posted it; those of traces that are not sampled
// are not sent. A backend that is overloaded gets them later, and the end sends what is left.
func TestEventsAreTraced(t *testing.T) {
	b := newBackend(t)
	b.refuse = 2
	p := startWith(t, t.TempDir(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=" + b.url, "MUSTER_SERVICE=notify", "MUSTER_INSTANCE=notify-7"})
	const trace, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	post := func(e event, want int) {
		t.Helper()
		if a, err := p.post(t.Context(), e); err != nil || a.status != want {
			t.Fatalf("%d, %v; want %d", a.status, err, want)
		}
	}
	e := confirmed("o-1", "e-1")
	e.header = map[string]string{"Tracestate": "ot=th:8", "Ce-Traceparent": "00-" + trace + "-1111111111111111-01"} // the one of the request is nearer
	post(e, 201)
	unsampled := confirmed("o-2", "e-2")
	unsampled.header = map[string]string{"Traceparent": "00-" + trace + "-" + parent + "-00"}
	post(unsampled, 201)
	post(event{id: "e-3", topic: "orders.lost", data: "{}"}, 422)
	foreign := confirmed("o-4", "e-4")
	foreign.header = map[string]string{"Traceparent": "none"}
	post(foreign, 201)
	res, err := http.Get(p.url + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()

	spans := b.wait(t, 3)
	first := spans[0]
	if first.TraceID != trace || first.ParentSpanID != parent || first.TraceState != "ot=th:8" || first.Name != "POST /events" || first.Kind != 2 || len(first.SpanID) != 16 || first.Status.Code != 0 {
		t.Errorf("%+v", first)
	}
	if begun, err := time.ParseDuration(first.StartTimeUnixNano + "ns"); err != nil || time.Since(time.Unix(0, int64(begun))).Abs() > time.Minute || first.EndTimeUnixNano < first.StartTimeUnixNano {
		t.Errorf("from %s to %s", first.StartTimeUnixNano, first.EndTimeUnixNano)
	}
	if line := p.logged(t, "mail sent"); line.Trace != trace || line.Span != first.SpanID {
		t.Errorf("logged %+v, want the span %s", line, first.SpanID)
	}
	if spans[1].TraceID != trace || spans[2].TraceID == trace || len(spans[2].TraceID) != 32 || spans[2].ParentSpanID != "" {
		t.Errorf("%+v", spans[1:])
	}
	b.mu.Lock()
	if !b.services["service.name=notify"] || !b.services["service.instance.id=notify-7"] || b.asked < 3 {
		t.Errorf("%v after %d tries", b.services, b.asked)
	}
	b.mu.Unlock()

	post(confirmed("o-5", "e-5"), 201)
	if err := p.cmd.Process.Signal(os.Signal(syscall.SIGTERM)); err != nil {
		t.Fatal(err)
	}
	p.ended(t)
	if spans := b.wait(t, 4); len(spans) != 4 {
		t.Errorf("%d spans, want 4: %+v", len(spans), spans)
	}
}

// A backend that is not there keeps nobody from a mail, nor the program from its end.
func TestWithoutABackendMailsAreSent(t *testing.T) {
	p := startWith(t, t.TempDir(), []string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1"})
	if a, err := p.post(t.Context(), confirmed("o-1", "e-1")); err != nil || a.status != 201 {
		t.Fatalf("%d, %v", a.status, err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	p.ended(t)
}
