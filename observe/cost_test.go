package observe_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/musterdev/muster/observe"
)

// nowhere takes all and keeps nothing.
type nowhere struct{ discard }

func (nowhere) Export(context.Context, string) (sdktrace.SpanExporter, sdkmetric.Exporter, error) {
	return lost{}, discard{}, nil
}

type lost struct{}

func (lost) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (lost) Shutdown(context.Context) error                             { return nil }

type blank struct{ header http.Header }

func (b blank) Header() http.Header       { return b.header }
func (blank) Write(p []byte) (int, error) { return len(p), nil }
func (blank) WriteHeader(int)             {}

// What a request costs: nothing observed, no exporter, not sampled by the caller, sampled,
// and as new traces come by themselves.
func BenchmarkHandler(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		observe.Route(r.Context(), "/v1/products/{id}")
		w.WriteHeader(http.StatusOK)
	})
	for name, c := range map[string]struct {
		exporter observe.Exporter
		parent   string
		bare     bool
	}{
		"bare":        {bare: true},
		"no-exporter": {},
		"unsampled":   {exporter: nowhere{}, parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"},
		"sampled":     {exporter: nowhere{}, parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		"new":         {exporter: nowhere{}},
	} {
		b.Run(name, func(b *testing.B) {
			var h http.Handler = handler
			if !c.bare {
				tel, err := observe.Start(b.Context(), observe.Config{Service: "s", Exporter: c.exporter, Endpoint: "http://x"})
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = tel.Shutdown(context.Background()) }() // it has nothing to lose
				h = tel.Handler(handler)
			}
			r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "/v1/products/p-1", http.NoBody)
			if c.parent != "" {
				r.Header.Set("Traceparent", c.parent)
			}
			w := blank{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
