package proxy

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Ask makes the span of the call to the service, all its attempts together, where the
// request's own, which is in ctx, is recorded; else span is nil. The trace goes on from the
// context that it returns. [Exchange.Asked] ends it.
func (x *Exchange) Ask(ctx context.Context) (_ context.Context, span trace.Span) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() {
		return ctx, nil
	}
	return parent.TracerProvider().Tracer("github.com/musterdev/muster/platform/gateway").Start(ctx, x.Request.Method+" "+x.Target.Service, //nolint:spancheck // Asked ends it
		trace.WithSpanKind(trace.SpanKindClient))
}

// Asked ends the span of the call, once the client has the answer, or err says why not.
func (x *Exchange) Asked(span trace.Span, err error) {
	if span == nil {
		return
	}
	attrs := append(make([]attribute.KeyValue, 0, 6),
		attribute.String("http.request.method", x.Request.Method), attribute.String("server.address", x.Target.Service), attribute.String("http.route", x.Target.Label))
	if x.Attempts > 1 {
		attrs = append(attrs, attribute.Int("http.request.resend_count", x.Attempts-1))
	}
	switch {
	case err != nil:
		attrs = append(attrs, attribute.String("error.type", "no_answer"))
		span.SetStatus(codes.Error, err.Error())
	case x.Status >= 400:
		attrs = append(attrs, attribute.Int("http.response.status_code", x.Status), attribute.String("error.type", strconv.Itoa(x.Status)))
		span.SetStatus(codes.Error, "")
	default:
		attrs = append(attrs, attribute.Int("http.response.status_code", x.Status))
	}
	span.SetAttributes(attrs...)
	span.End()
}

// Describe tells the request's own span, which is in ctx, how it was passed on.
func (x *Exchange) Describe(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	span.SetAttributes(
		attribute.String("muster.instance", x.Instance),
		attribute.Int("http.request.resend_count", max(0, x.Attempts-1)),
	)
}

// asks is Ask for net/http, and writes the trace into the header that goes to the instance.
func (t *transit) asks(ctx context.Context, header http.Header) (_ context.Context, end func(error)) {
	ctx, span := t.Ask(ctx)
	if t.TraceID != "" {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	}
	return ctx, func(err error) { t.Asked(span, err) }
}
