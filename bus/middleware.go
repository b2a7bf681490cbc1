package bus

import (
	"context"
	"slices"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	noopmetric "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/musterdev/muster/problem"
)

// scope names this package as what made a span or a metric.
const scope = "github.com/musterdev/muster/bus"

// wrap returns the handler of all messages: the trace, the recovery and the choice of
// the author's handler, with the author's middleware around that.
func (r *running) wrap(middleware []Middleware, traces trace.TracerProvider, meters metric.MeterProvider) Handler {
	h := func(ctx context.Context, d Delivery) error {
		h := r.handlerOf(d.Topic)
		if h == nil {
			return ErrNoHandler.WithField(attrType, "the consumer of "+d.Group+" has no handler for "+d.Topic)
		}
		return h(ctx, d)
	}
	for _, m := range slices.Backward(middleware) {
		h = m(h)
	}
	if traces == nil {
		traces = noop.NewTracerProvider()
	}
	return traced(traces.Tracer(scope), processing(meters), r.recovered(h))
}

// traced handles each message in a span of its own, a child of the one it was
// published in (OpenTelemetry's semantic conventions for messaging, "process").
func traced(tracer trace.Tracer, duration metric.Float64Histogram, next Handler) Handler {
	return func(ctx context.Context, d Delivery) error {
		began := time.Now()
		ctx, span := tracer.Start(ctx, "process "+d.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithTimestamp(began))
		defer span.End()
		err := next(WithDelivery(ctx, d), d)
		if span.IsRecording() {
			span.SetAttributes(append(attributes(d.Msg, "process"),
				attribute.String("messaging.consumer.group.name", d.Group), attribute.Int("messaging.message.delivery_count", d.Count))...)
			if err != nil {
				span.RecordError(err)
				span.SetStatus(codes.Error, err.Error())
			}
		}
		count(ctx, duration, time.Since(began), d, err)
		return err
	}
}

// attributes are what a span says of a message.
func attributes(m Msg, operation string) []attribute.KeyValue {
	all := make([]attribute.KeyValue, 0, 10)
	all = append(all,
		attribute.String("messaging.system", "muster"),
		attribute.String("messaging.operation.type", operation),
		attribute.String("messaging.destination.name", m.Topic),
		attribute.String("messaging.message.id", m.ID),
		attribute.String("cloudevents.event_source", m.Source),
		attribute.Int("messaging.message.body.size", len(m.Data)))
	if m.Key != "" {
		all = append(all, attribute.String("muster.message.key", m.Key))
	}
	if m.Causation != "" {
		all = append(all, attribute.String("muster.message.cause", m.Causation))
	}
	return all
}

// processing is the metric of messages that were handled (OpenTelemetry's semantic
// conventions for messaging metrics).
func processing(meters metric.MeterProvider) metric.Float64Histogram {
	if meters == nil {
		return noopmetric.Float64Histogram{}
	}
	h, err := meters.Meter(scope).Float64Histogram("messaging.process.duration", metric.WithUnit("s"), metric.WithDescription("Duration of handling a message."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10))
	if err != nil { // the name is ours: it cannot be
		return noopmetric.Float64Histogram{}
	}
	return h
}

func count(ctx context.Context, duration metric.Float64Histogram, took time.Duration, d Delivery, err error) {
	if !duration.Enabled(ctx) {
		return
	}
	attrs := append(make([]attribute.KeyValue, 0, 5),
		attribute.String("messaging.system", "muster"), attribute.String("messaging.operation.name", "process"),
		attribute.String("messaging.destination.name", d.Topic), attribute.String("messaging.consumer.group.name", d.Group))
	switch {
	case IsFinal(err):
		attrs = append(attrs, attribute.String("error.type", "final"))
	case err != nil:
		attrs = append(attrs, attribute.String("error.type", "retried"))
	}
	duration.Record(ctx, took.Seconds(), metric.WithAttributes(attrs...))
}

// withTrace returns a context of the trace that a message was published in, so that
// log lines name it.
func withTrace(ctx context.Context, m Msg) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{attrTraceParent: m.TraceParent, attrTraceState: m.TraceState})
}

// recovered makes a panic a final error: the same message would panic again.
func (r *running) recovered(next Handler) Handler {
	return func(ctx context.Context, d Delivery) (err error) {
		defer func() {
			if p := recover(); p != nil {
				r.log.ErrorContext(ctx, "panic in a handler", append(names(d.Msg), "error", problem.Recovered(p))...)
				err = Final(problem.New(problem.Internal, "the handler panicked: %v", p))
			}
		}()
		return next(ctx, d)
	}
}

// names are what a log line says of a message.
func names(m Msg) []any {
	return []any{"topic", m.Topic, "message", m.ID, "source", m.Source, "key", m.Key}
}
