package observe

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// RequestIDHeader carries the id the edge gives each request; in gRPC metadata its
// lower-case form.
const RequestIDHeader = "X-Request-Id"

const requestIDKey = "x-request-id"

type contextKey struct{}

// WithRequestID returns a context that carries a request's id to log lines and calls.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// RequestID returns the id of the request ctx belongs to, or "".
func RequestID(ctx context.Context) string {
	if id, ok := ctx.Value(contextKey{}).(string); ok {
		return id
	}
	if s, ok := ctx.Value(servedKey{}).(*served); ok {
		return s.id
	}
	return ""
}

// maxRequestID bounds what is accepted from outside.
const maxRequestID = 128

// ValidRequestID reports whether an id from outside may be kept: 1 to 128 visible
// ASCII characters.
func ValidRequestID(id string) bool {
	if id == "" || len(id) > maxRequestID {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

func unarySendRequestID(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	return invoke(outgoing(ctx), method, req, reply, cc, opts...)
}

func streamSendRequestID(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
	return open(outgoing(ctx), desc, cc, method, opts...)
}

func outgoing(ctx context.Context) context.Context {
	if id := RequestID(ctx); id != "" {
		return metadata.AppendToOutgoingContext(ctx, requestIDKey, id)
	}
	return ctx
}

// UnaryServerInterceptor takes the request id of a gRPC call into its context.
func UnaryServerInterceptor(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return handle(incoming(ctx), req)
}

// StreamServerInterceptor is [UnaryServerInterceptor] for streams.
func StreamServerInterceptor(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return handle(srv, &streamWithContext{s, incoming(s.Context())})
}

type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // grpc-go has no other way to give a stream a context
}

func (s *streamWithContext) Context() context.Context { return s.ctx }

func incoming(ctx context.Context) context.Context {
	md, _ := metadata.FromIncomingContext(ctx)
	if ids := md.Get(requestIDKey); len(ids) == 1 && ValidRequestID(ids[0]) {
		return WithRequestID(ctx, ids[0])
	}
	return ctx
}

// contextHandler adds the trace and request id of a record's context, so that log
// lines, traces and requests can be joined.
type contextHandler struct{ slog.Handler }

func (h *contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.HasTraceID() {
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	if id := RequestID(ctx); id != "" {
		r.AddAttrs(slog.String("request_id", id))
	}
	return h.Handler.Handle(ctx, r)
}

func (h *contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h *contextHandler) WithGroup(name string) slog.Handler {
	return &contextHandler{h.Handler.WithGroup(name)}
}
