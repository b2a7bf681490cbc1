package bus

import (
	"context"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Traced returns a Publisher that makes a span of the publication of each message
// (OpenTelemetry's semantic conventions for messaging, kind producer). Its parent is what
// the message was made in, and the message carries it on, so that what is done because of
// the message is below it. A message without a trace is published as it is.
//
// traces may be nil: then p is returned. The result is as safe for concurrent use as p.
func Traced(p Publisher, traces trace.TracerProvider) Publisher {
	if traces == nil {
		return p
	}
	return &tracedPublisher{p, traces.Tracer(scope)}
}

type tracedPublisher struct {
	Publisher
	tracer trace.Tracer
}

// Publish publishes messages, each in a span of its own.
func (p *tracedPublisher) Publish(ctx context.Context, msgs []Msg) []Result {
	sent, spans := make([]Msg, len(msgs)), make([]trace.Span, len(msgs))
	for i, m := range msgs {
		sent[i] = m
		of := withTrace(ctx, m)
		if m.TraceParent == "" || !trace.SpanContextFromContext(of).IsRemote() { // it has none that can be read
			continue
		}
		within, span := p.tracer.Start(of, "publish "+m.Topic, trace.WithSpanKind(trace.SpanKindProducer))
		spans[i] = span
		carrier := propagation.MapCarrier{}
		propagation.TraceContext{}.Inject(within, carrier)
		sent[i].TraceParent, sent[i].TraceState = carrier[attrTraceParent], carrier[attrTraceState]
	}
	results := p.Publisher.Publish(ctx, sent)
	for i, span := range spans {
		if span == nil {
			continue
		}
		if span.IsRecording() {
			span.SetAttributes(attributes(msgs[i], "send")...)
			if i < len(results) && results[i].Err != nil {
				span.SetStatus(codes.Error, results[i].Err.Error())
			}
		}
		span.End()
	}
	return results
}
