package bus

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/musterdev/muster/problem"
)

// wrap returns the handler of all messages: the trace, the recovery and the choice of
// the author's handler, with the author's middleware around that.
func (r *running) wrap(middleware []Middleware, traces trace.TracerProvider) Handler {
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
	return traced(traces.Tracer("github.com/musterdev/muster/bus"), r.recovered(h))
}

// traced handles each message in a span of its own, a child of the one it was
// published in (OpenTelemetry's semantic conventions for messaging, "process").
func traced(tracer trace.Tracer, next Handler) Handler {
	return func(ctx context.Context, d Delivery) error {
		ctx, span := tracer.Start(ctx, "process "+d.Topic, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(
			attribute.String("messaging.operation.type", "process"),
			attribute.String("messaging.destination.name", d.Topic),
			attribute.String("messaging.consumer.group.name", d.Group),
			attribute.String("messaging.message.id", d.ID),
			attribute.String("cloudevents.event_source", d.Source),
			attribute.Int("messaging.message.body.size", len(d.Data))))
		defer span.End()
		err := next(WithDelivery(ctx, d), d)
		if err != nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		return err
	}
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
