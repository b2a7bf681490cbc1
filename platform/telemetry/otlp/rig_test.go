package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

var noon = time.Date(2026, 10, 20, 12, 0, 0, 0, time.UTC)

// keeper is a sink that remembers.
type keeper struct {
	mu    sync.Mutex
	spans []signal.Span
	logs  []signal.Log
	err   error // what Sink returns next, and keeps nothing
}

func (k *keeper) Sink(_ context.Context, b signal.Batch) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	k.spans = append(k.spans, b.Spans...)
	k.logs = append(k.logs, b.Logs...)
	return nil
}

func (k *keeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

func (k *keeper) kept() ([]signal.Span, []signal.Log) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Clone(k.spans), slices.Clone(k.logs)
}

func receiver(k *keeper) *otlp.Receiver {
	return &otlp.Receiver{Sink: k.Sink, Now: func() time.Time { return noon }}
}

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func resource(service string) *resourcepb.Resource {
	return &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: str(service)}}}
}

// span is a good span; change spoils it.
func span(id int, change ...func(*tracepb.Span)) *tracepb.Span {
	s := &tracepb.Span{
		TraceId: fmt.Appendf(nil, "trace-%010d", id), SpanId: fmt.Appendf(nil, "%08d", id), Name: "GET /",
		StartTimeUnixNano: uint64(noon.UnixNano()), EndTimeUnixNano: uint64(noon.UnixNano() + 1000),
	}
	for _, c := range change {
		c(s)
	}
	return s
}

func traces(service string, spans ...*tracepb.Span) *collecttrace.ExportTraceServiceRequest {
	return &collecttrace.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
		Resource: resource(service), ScopeSpans: []*tracepb.ScopeSpans{{Spans: spans}},
	}}}
}

func raw(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func zipped(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const pb = "application/x-protobuf"

// post sends a request to the handler; headers are pairs.
func post(t testing.TB, h http.Handler, path string, body []byte, headers ...string) (*http.Response, []byte) {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, path, bytes.NewReader(body))
	req.Header.Set("Content-Type", pb)
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, req)
	res := w.Result()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, answer
}

// balanced checks that received is stored and dropped, in all and for each service, and
// that the services make up the whole.
func balanced(t testing.TB, c otlp.Counts) {
	t.Helper()
	sums := map[string]otlp.Count{}
	check := func(what string, n otlp.Count) {
		var dropped int64
		for _, d := range n.Dropped {
			dropped += d
		}
		if n.Received != n.Stored+dropped {
			t.Errorf("%s: received %d, stored %d, dropped %v", what, n.Received, n.Stored, n.Dropped)
		}
	}
	for service, bySignal := range c.Services {
		for sig, n := range bySignal {
			check(service+" "+sig, n)
			s := sums[sig]
			s.Received += n.Received
			s.Stored += n.Stored
			s.Returned += n.Returned
			sums[sig] = s
		}
	}
	for sig, n := range c.Signals {
		check(sig, n)
		if s := sums[sig]; s.Received != n.Received || s.Stored != n.Stored || s.Returned != n.Returned {
			t.Errorf("%s: all services received %d, stored %d, returned %d; the whole is %+v", sig, s.Received, s.Stored, s.Returned, n)
		}
	}
}
