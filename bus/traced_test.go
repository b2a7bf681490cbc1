package bus_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

// post is a Publisher that keeps what it gets and refuses one topic.
type post struct{ got []bus.Msg }

func (p *post) Publish(_ context.Context, msgs []bus.Msg) []bus.Result {
	p.got = append(p.got, msgs...)
	results := make([]bus.Result, len(msgs))
	for i, m := range msgs {
		if m.Topic == "bad.topic" {
			results[i].Err = errors.New("refused")
		}
	}
	return results
}

// The publication of a message is a span below what it was made in, and what is handled
// because of it is below that.
func TestTracedPublications(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	traces := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	ctx, request := traces.Tracer("test").Start(t.Context(), "request")
	made, err := bus.Topic[string]{Name: "orders.placed"}.Msg(ctx, "o1", "x")
	if err != nil {
		t.Fatal(err)
	}
	request.End()
	bad := made
	bad.Topic = "bad.topic"
	foreign, plain := made, made
	foreign.TraceParent, plain.TraceParent = "no trace", ""
	p := &post{}
	results := bus.Traced(p, traces).Publish(t.Context(), []bus.Msg{made, bad, foreign, plain})
	if len(results) != 4 || results[1].Err == nil {
		t.Errorf("%v", results)
	}
	if p.got[2].TraceParent != "no trace" || p.got[3].TraceParent != "" {
		t.Errorf("what has no trace was sent with %q and %q", p.got[2].TraceParent, p.got[3].TraceParent)
	}
	ended := spans.Ended()[1:]
	if len(ended) != 2 {
		t.Fatalf("%d spans", len(ended))
	}
	for i, s := range ended {
		if s.SpanKind() != trace.SpanKindProducer || s.Name() != "publish "+p.got[i].Topic || s.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("%s %s below %s", s.SpanKind(), s.Name(), s.Parent().SpanID())
		}
		if want := fmt.Sprintf("00-%s-%s-01", s.SpanContext().TraceID(), s.SpanContext().SpanID()); p.got[i].TraceParent != want {
			t.Errorf("%s carries %s, want %s", p.got[i].Topic, p.got[i].TraceParent, want)
		}
		if (s.Status().Code == codes.Error) != (i == 1) {
			t.Errorf("%s: %v", s.Name(), s.Status())
		}
	}
	if made.TraceParent == p.got[0].TraceParent {
		t.Error("the caller's message was changed")
	}
	if untraced := bus.Traced(p, nil); untraced != bus.Publisher(p) {
		t.Error("without traces it is the same publisher")
	}
}

// The messages that are handled are counted by topic and by what became of them.
func TestHandledMessagesAreCounted(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	broker := memory.New()
	handled := make(chan struct{}, 2)
	c := &bus.Consumer{Broker: broker.Connect(), Group: "mail", Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))}
	if err := c.On("orders.*", func(_ context.Context, d bus.Delivery) error {
		if handled <- struct{}{}; strings.HasSuffix(d.Topic, "failed") {
			return bus.Final(errors.New("no"))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	for _, topic := range []string{"orders.placed", "orders.failed"} {
		broker.Connect().Publish(t.Context(), []bus.Msg{{ID: topic, Source: "/t", Topic: topic, Time: time.Now()}})
		<-handled
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	h, ok := all.ScopeMetrics[0].Metrics[0].Data.(metricdata.Histogram[float64])
	if name := all.ScopeMetrics[0].Metrics[0].Name; !ok || name != "messaging.process.duration" || len(h.DataPoints) != 2 {
		t.Fatalf("%s: %+v", name, h)
	}
	for _, p := range h.DataPoints {
		topic, _ := p.Attributes.Value("messaging.destination.name")
		failed, is := p.Attributes.Value(attribute.Key("error.type"))
		if is != (topic.AsString() == "orders.failed") || is && failed.AsString() != "final" {
			t.Errorf("%s: %v", topic.AsString(), p.Attributes)
		}
	}
}

func ExampleTraced() {
	traces := sdktrace.NewTracerProvider() // the service's
	publisher := bus.Traced(memory.New().Connect(), traces)
	ctx, request := traces.Tracer("example").Start(context.Background(), "request")
	defer request.End()
	m, err := bus.Topic[string]{Name: "orders.placed"}.Msg(ctx, "o1", "an order")
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Source = "/orders"
	fmt.Println(publisher.Publish(ctx, []bus.Msg{m})[0].Err)
	// Output: <nil>
}
