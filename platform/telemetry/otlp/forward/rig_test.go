package forward_test

import (
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func request(name string) []byte {
	return encode.Spans([]signal.Span{{Trace: signal.TraceID{1}, ID: signal.SpanID{2}, Service: "shop", Name: name, Start: 1}})
}

func names(t testing.TB, body []byte) []string {
	t.Helper()
	var req collecttrace.ExportTraceServiceRequest
	if err := proto.Unmarshal(body, &req); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, rs := range req.ResourceSpans {
		for _, s := range rs.ScopeSpans[0].Spans {
			all = append(all, s.Name)
		}
	}
	return all
}

type backend struct {
	*httptest.Server

	mu     sync.Mutex
	answer func(names []string) (code int, header, body string) // nil: takes all
	got    []string
	tries  int
	key    string
}

func newBackend(t *testing.T) *backend {
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		z, err := gzip.NewReader(r.Body)
		if err != nil {
			t.Error(err)
			return
		}
		raw, err := io.ReadAll(z)
		if err != nil {
			t.Error(err)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.tries++
		b.key = r.Header.Get("Api-Key")
		if r.URL.Path != "/in/v1/traces" {
			return
		}
		list := names(t, raw)
		if b.answer != nil {
			if code, retry, body := b.answer(list); code != 0 {
				w.Header().Set("Retry-After", retry)
				w.WriteHeader(code)
				_, _ = io.WriteString(w, body)
				if code != 200 {
					return
				}
			}
		}
		b.got = append(b.got, list...)
	}))
	t.Cleanup(b.Close)
	return b
}

func (b *backend) tell(answer func([]string) (int, string, string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = answer
}

func (b *backend) took() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func open(t *testing.T, cfg forward.Config) *forward.Forwarder {
	t.Helper()
	if cfg.Backoff == 0 {
		cfg.Backoff = time.Millisecond
	}
	f, err := forward.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func running(t *testing.T, f *forward.Forwarder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}
