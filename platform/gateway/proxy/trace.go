package proxy

import (
	"context"
	"net/http"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/call"
)

// asks makes the span of the call to the service, all its attempts together, where the
// request's own is recorded, and writes the trace into the header that goes there. end is
// called when the client has the answer, or pass knows why not.
func (t *transit) asks(ctx context.Context, header http.Header, op call.Op) (_ context.Context, end func(error)) {
	end = func(error) {}
	if parent := trace.SpanFromContext(ctx); parent.IsRecording() {
		var span trace.Span
		ctx, span = parent.TracerProvider().Tracer("github.com/musterdev/muster/platform/gateway").Start(ctx, t.Method+" "+op.Service,
			trace.WithSpanKind(trace.SpanKindClient))
		end = func(err error) { t.asked(span, op, err) }
	}
	if t.TraceID != "" {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(header))
	}
	return ctx, end
}

func (t *transit) asked(span trace.Span, op call.Op, err error) {
	attrs := append(make([]attribute.KeyValue, 0, 6),
		attribute.String("http.request.method", t.Method), attribute.String("server.address", op.Service), attribute.String("http.route", t.Target.Label))
	if t.Attempts > 1 {
		attrs = append(attrs, attribute.Int("http.request.resend_count", t.Attempts-1))
	}
	switch {
	case err != nil:
		attrs = append(attrs, attribute.String("error.type", "no_answer"))
		span.SetStatus(codes.Error, err.Error())
	case t.Status >= 400:
		attrs = append(attrs, attribute.Int("http.response.status_code", t.Status), attribute.String("error.type", strconv.Itoa(t.Status)))
		span.SetStatus(codes.Error, "")
	default:
		attrs = append(attrs, attribute.Int("http.response.status_code", t.Status))
	}
	span.SetAttributes(attrs...)
	span.End()
}
