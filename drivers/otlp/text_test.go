package otlp_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/observe"
)

// Bytes that are no UTF-8, which any caller can have a path or an error consist of, cost
// neither the span nor those beside it.
func TestTextThatIsNoUTF8IsSent(t *testing.T) {
	backend := &count{}
	server := httptest.NewServer(backend)
	defer server.Close()
	tel, err := observe.Start(t.Context(), observe.Config{Service: "orders", Exporter: otlp.Driver, Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	tracer := tel.Traces.Tracer("test")
	const bad = "/\xff\xfe"
	for _, name := range []string{"fine", "bad " + bad} {
		_, span := tracer.Start(t.Context(), name, trace.WithAttributes(attribute.String("key "+bad, bad), attribute.StringSlice("list", []string{bad})))
		span.AddEvent(bad, trace.WithAttributes(attribute.String("of an event", bad)))
		span.RecordError(errors.New(bad))
		span.SetStatus(codes.Error, bad)
		span.End()
	}
	handler := tel.Handler(http.NotFoundHandler())
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/%ff", nil))
	counter, err := tel.Meters.Meter("test").Int64Counter("orders")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("who", bad)))
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if n := backend.spans.Load(); n != 3 {
		t.Errorf("%d spans came, want 3", n)
	}
	if backend.metrics.Load() == 0 {
		t.Error("no metrics came")
	}
}
