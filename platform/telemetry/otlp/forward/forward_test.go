package forward_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// request has one span, of that name.

// backend is an OTLP/HTTP server that answers as it is told and remembers what it took.

// running runs f until the returned function, which closes it, is called.

func TestSendsAll(t *testing.T) {
	b := newBackend(t)
	f := open(t, forward.Config{Endpoint: b.URL + "/in/", Dir: t.TempDir(), Headers: map[string]string{"api-key": "k"}})
	running(t, f)
	var want []string
	for i := range 100 {
		want = append(want, fmt.Sprint(i))
		f.Push(otlp.Traces, request(want[i]))
	}
	f.Push(otlp.Logs, encode.Logs("shop", "shop-1", []signal.Log{{Time: 1}, {Time: 2}}))
	until(t, "all is sent", func() bool { h := f.Health(); return h.Sent["spans"] == 100 && h.Sent["logs"] == 2 })
	if got := b.took(); !slices.Equal(got, want) {
		t.Errorf("the backend took %q", got)
	}
	if h := f.Health(); h.Waiting != 0 || h.Error != "" || len(h.Dropped) != 0 || b.key != "k" {
		t.Errorf("%+v, key %q", h, b.key)
	}
}

// While the backend is away all waits, also through a restart, and nothing is lost.

func TestBackendAway(t *testing.T) {
	b := newBackend(t)
	b.tell(func([]string) (int, string, string) { return 503, "0", "later" })
	dir := t.TempDir()
	cfg := forward.Config{Endpoint: b.URL + "/in", Dir: dir}
	f := open(t, cfg)
	stop := running(t, f)
	f.Push(otlp.Traces, request("1"))
	until(t, "it was tried twice", func() bool { b.mu.Lock(); defer b.mu.Unlock(); return b.tries > 1 })
	if h := f.Health(); h.Waiting == 0 || !strings.Contains(h.Error, "503") || !strings.Contains(h.Error, "later") {
		t.Errorf("%+v", h)
	}
	f.Push(otlp.Traces, request("2"))
	stop()
	f.Push(otlp.Traces, request("nobody"))
	if h := f.Health(); h.Dropped["spans"] != 1 {
		t.Errorf("pushed after Close: %+v", h)
	}

	// A process that dies while it writes leaves half a frame.
	files, err := filepath.Glob(filepath.Join(dir, "traces", "*.otlp"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	torn, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := torn.WriteString("\xff\x00\x00\x00torn"); err != nil {
		t.Fatal(err)
	}
	if err := torn.Close(); err != nil {
		t.Fatal(err)
	}
	f = open(t, cfg)
	running(t, f)
	f.Push(otlp.Traces, request("3"))
	b.tell(nil)
	until(t, "all is sent", func() bool { return f.Health().Sent["spans"] == 3 })
	if got := b.took(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("the backend took %q", got)
	}
}

// One request that the backend refuses for good does not take others with it.

func TestRefused(t *testing.T) {
	b := newBackend(t)
	b.tell(func(list []string) (int, string, string) {
		if slices.Contains(list, "bad") {
			return 400, "", "bad span"
		}
		return 0, "", ""
	})
	f := open(t, forward.Config{Endpoint: b.URL + "/in", Dir: t.TempDir()})
	for _, name := range []string{"1", "2", "bad", "3"} {
		f.Push(otlp.Traces, request(name))
	}
	running(t, f)
	until(t, "all is settled", func() bool { h := f.Health(); return h.Sent["spans"]+h.Dropped["spans"] == 4 })
	if got := b.took(); !slices.Equal(got, []string{"1", "2", "3"}) || f.Health().Dropped["spans"] != 1 {
		t.Errorf("the backend took %q; %+v", got, f.Health())
	}
}

// What the backend leaves out of a request that it took is counted.

func TestPartialSuccess(t *testing.T) {
	b := newBackend(t)
	answer, err := proto.Marshal(&collecttrace.ExportTraceServiceResponse{PartialSuccess: &collecttrace.ExportTracePartialSuccess{RejectedSpans: 1, ErrorMessage: "too old"}})
	if err != nil {
		t.Fatal(err)
	}
	b.tell(func([]string) (int, string, string) { return 200, "", string(answer) })
	f := open(t, forward.Config{Endpoint: b.URL + "/in", Dir: t.TempDir()})
	f.Push(otlp.Traces, request("1"))
	f.Push(otlp.Traces, request("2"))
	running(t, f)
	until(t, "both are settled", func() bool { h := f.Health(); return h.Sent["spans"] == 1 && h.Dropped["spans"] == 1 })
	if h := f.Health(); !strings.Contains(h.Error, "too old") {
		t.Errorf("%+v", h)
	}
}

// A full queue loses its oldest, and counts them exactly.

func TestFull(t *testing.T) {
	b := newBackend(t)
	f := open(t, forward.Config{Endpoint: b.URL + "/in", Dir: t.TempDir(), Bytes: 64 << 10})
	name := strings.Repeat("x", 500)
	for i := range 1000 {
		f.Push(otlp.Traces, request(fmt.Sprint(i, name)))
	}
	h := f.Health()
	if h.Waiting > 64<<10 || h.Waiting < 50<<10 || h.Dropped["spans"] == 0 || !strings.Contains(h.Error, "full") {
		t.Errorf("%+v", h)
	}
	f.Push(otlp.Traces, request(strings.Repeat("y", 100<<10)))
	if again := f.Health(); again.Dropped["spans"] != h.Dropped["spans"]+1 || again.Waiting != h.Waiting || !strings.Contains(again.Error, "larger than the queue") {
		t.Errorf("one that is larger than the queue: %+v", again)
	}
	for i := range 10 {
		f.Push(otlp.Traces, request(fmt.Sprint("last", i)))
	}
	running(t, f)
	until(t, "the rest is sent", func() bool { return f.Health().Waiting == 0 })
	h = f.Health()
	if got := b.took(); int64(len(got)) != h.Sent["spans"] || h.Sent["spans"]+h.Dropped["spans"] != 1011 || got[len(got)-1] != "last9" {
		t.Errorf("%+v, the backend took %d", h, len(got))
	}
}

// A receiver sends on what it took to another receiver.

func TestReceiverToReceiver(t *testing.T) {
	var mu sync.Mutex
	var got []string
	now := time.Now()
	far := &otlp.Receiver{Sink: func(_ context.Context, b signal.Batch) error {
		mu.Lock()
		defer mu.Unlock()
		for _, s := range b.Spans {
			got = append(got, s.Name)
		}
		return nil
	}}
	srv := httptest.NewServer(far.Handler())
	defer srv.Close()
	f := open(t, forward.Config{Endpoint: srv.URL, Dir: t.TempDir()})
	running(t, f)
	near := &otlp.Receiver{Sink: func(context.Context, signal.Batch) error { return nil }, Forward: f.Push}
	body := encode.Spans([]signal.Span{{Trace: signal.TraceID{1}, ID: signal.SpanID{2}, Service: "shop", Name: "n", Start: now.UnixNano()}})
	req := httptest.NewRequest(http.MethodPost, "/v1/traces", strings.NewReader(string(body)))
	req.Header.Set("Content-Type", "application/x-protobuf")
	near.Handler().ServeHTTP(httptest.NewRecorder(), req)
	until(t, "it is sent on", func() bool { return f.Health().Sent["spans"] == 1 })
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, []string{"n"}) {
		t.Errorf("the other has %q", got)
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		cfg  forward.Config
		says string
	}{
		{forward.Config{Endpoint: "127.0.0.1:4318", Dir: "x"}, "must be a URL"},
		{forward.Config{Endpoint: "", Dir: "x"}, "must be a URL"},
		{forward.Config{Endpoint: "http://h:1", Protocol: "http/json", Dir: "x"}, "http/protobuf or grpc"},
		{forward.Config{Endpoint: "http://h:1/path", Protocol: forward.GRPC, Dir: "x"}, "leave it out"},
		{forward.Config{Endpoint: "http://h:1"}, "folder"},
		{forward.Config{Endpoint: "http://h:1", Dir: "/dev/null/x"}, "its queue"},
	} {
		f, err := forward.New(tt.cfg)
		if f != nil || err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%+v: %v", tt.cfg, err)
		}
	}
	f := open(t, forward.Config{Endpoint: "http://user:secret@127.0.0.1:1", Dir: t.TempDir()})
	if h := f.Health(); strings.Contains(h.Endpoint, "secret") {
		t.Errorf("the endpoint shows what is secret: %s", h.Endpoint)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// All that a receiver takes goes on to another backend, from a queue on the disk.
