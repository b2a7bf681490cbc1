package otlp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/observe/spans"
)

// A backend that asks for a pause is heard.
func TestRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{"7": 7 * time.Second, "": 0, "soon": 0} {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(http.StatusServiceUnavailable)
		}))
		out, _, err := otlp.Driver.Export(t.Context(), backend.URL)
		if err != nil {
			t.Fatal(err)
		}
		err = out.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "work"}}.Snapshots())
		var later spans.Later
		got := time.Duration(0)
		if errors.As(err, &later) {
			got = later.RetryAfter()
		}
		var permanent spans.Permanent
		if err == nil || got != want || errors.As(err, &permanent) {
			t.Errorf("Retry-After %q: %v, to wait %s, want %s", header, err, got, want)
		}
		backend.Close()
	}
}

// What a backend says in words decides nothing: only what it answers with does.
func TestWordsOfABackend(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no partial success, and not retry-able", http.StatusBadRequest)
	}))
	defer backend.Close()
	out, _, err := otlp.Driver.Export(t.Context(), backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	err = out.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "work"}}.Snapshots())
	var permanent spans.Permanent
	if !errors.As(err, &permanent) || !permanent.Permanent() {
		t.Errorf("refused with 400: %v, want an error that is final", err)
	}
}

// What a backend leaves out of what it takes is its own affair: nothing is sent again.
func TestPartialSuccess(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-protobuf")
		answer, err := proto.Marshal(&collecttrace.ExportTraceServiceResponse{PartialSuccess: &collecttrace.ExportTracePartialSuccess{RejectedSpans: 1}})
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	defer backend.Close()
	out, _, err := otlp.Driver.Export(t.Context(), backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := out.ExportSpans(t.Context(), tracetest.SpanStubs{{Name: "work"}}.Snapshots()); err != nil {
		t.Error(err)
	}
}
