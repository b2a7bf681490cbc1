package observe

import (
	"context"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otelcodes "go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

type peerKey struct{}

// WithPeer returns a context for a call to a service, whose span and metrics then name
// it: a connection knows an address only.
func WithPeer(ctx context.Context, service string) context.Context {
	return context.WithValue(ctx, peerKey{}, service)
}

// ServerStats is the grpc-go stats handler of a server: a span and the metric
// rpc.server.call.duration of each call. Health checks, reflection and telemetry itself
// have neither.
func (t *Telemetry) ServerStats() stats.Handler {
	return &rpcStats{
		tracer: t.Traces.Tracer(scope), propagator: t.propagator, kind: trace.SpanKindServer,
		duration: newDurations(t.Meters, "rpc.server.call.duration", "Duration of incoming gRPC calls."),
	}
}

// DialOptions are the grpc-go options of a client: a span and the metric
// rpc.client.call.duration of each call, trace context and request ids in its metadata.
// See [WithPeer].
func (t *Telemetry) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithStatsHandler(&rpcStats{
			tracer: t.Traces.Tracer(scope), propagator: t.propagator, kind: trace.SpanKindClient,
			duration: newDurations(t.Meters, "rpc.client.call.duration", "Duration of outgoing gRPC calls."),
		}),
		grpc.WithChainUnaryInterceptor(unarySendRequestID),
		grpc.WithChainStreamInterceptor(streamSendRequestID),
	}
}

// rpcStats makes the spans and metrics of one side of gRPC calls.
type rpcStats struct {
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	kind       trace.SpanKind
	duration   *durations
}

// rpc is one call under way.
type rpc struct {
	method  string
	peer    string
	request string // its id

	began time.Time
	known func() bool // of a server: tells that there is such a method, false when it is too late; see unknown
	over  bool        // it was too late: the caller gave up in the moment between
}

// otherMethod is the name of all methods that a server does not have (OpenTelemetry's
// semantic conventions for RPC): callers can make up any number of them.
const otherMethod = "_OTHER"

type rpcKey struct{}

// quietRPC reports whether calls of a method are the fleet's own.
func quietRPC(method string) bool {
	return strings.HasPrefix(method, "/grpc.health.") || strings.HasPrefix(method, "/grpc.reflection.") || strings.HasPrefix(method, "/opentelemetry.")
}

// TagRPC begins the span of a call.
func (h *rpcStats) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if quietRPC(info.FullMethodName) { // nor is it the call that it is made to answer
		return context.WithValue(ctx, rpcKey{}, (*rpc)(nil))
	}
	call := &rpc{method: strings.TrimPrefix(info.FullMethodName, "/"), began: time.Now()}
	if h.kind == trace.SpanKindServer {
		if md, ok := metadata.FromIncomingContext(ctx); ok {
			ctx = h.propagator.Extract(ctx, carrier(md))
			if id := carrier(md).Get(requestIDKey); ValidRequestID(id) {
				call.request = id
			}
		}
		ctx, _ = h.tracer.Start(ctx, call.method, trace.WithSpanKind(h.kind)) //nolint:spancheck // HandleRPC ends it
		if ctx.Err() == nil {
			call.known = context.AfterFunc(ctx, func() { h.unknown(ctx, call) })
		}
		return context.WithValue(ctx, rpcKey{}, call)
	}
	call.peer, _ = ctx.Value(peerKey{}).(string)
	ctx, _ = h.tracer.Start(ctx, call.method, trace.WithSpanKind(h.kind)) //nolint:spancheck // HandleRPC ends it
	md, ok := metadata.FromOutgoingContext(ctx)
	if !ok {
		md = metadata.MD{}
	}
	h.propagator.Inject(ctx, carrier(md))
	return context.WithValue(metadata.NewOutgoingContext(ctx, md), rpcKey{}, call)
}

// unknown ends the span of a call whose method the server does not have: grpc-go tags such
// a call and then tells neither its begin nor its end, only that its context ends.
func (h *rpcStats) unknown(ctx context.Context, made *rpc) {
	code := codeName(codes.Unimplemented)
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetName(otherMethod)
		span.SetAttributes(attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", otherMethod), attribute.String("rpc.method_original", made.method),
			attribute.String("rpc.response.status_code", code), attribute.String("error.type", code))
		span.SetStatus(otelcodes.Error, "there is no such method")
	}
	trace.SpanFromContext(ctx).End()
	h.duration.record(ctx, time.Since(made.began), call{target: otherMethod, failed: code, code: code})
}

// HandleRPC ends the span of a call with it.
func (h *rpcStats) HandleRPC(ctx context.Context, s stats.RPCStats) {
	made, _ := ctx.Value(rpcKey{}).(*rpc)
	if made == nil {
		return
	}
	if _, begins := s.(*stats.Begin); begins && made.known != nil {
		made.over = !made.known()
	}
	end, ok := s.(*stats.End)
	if !ok || made.over {
		return
	}
	said := status.Convert(end.Error)
	code := codeName(said.Code())
	failed := ""
	if said.Code() != codes.OK && (h.kind == trace.SpanKindClient || atFault(said.Code())) {
		failed = code
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		attrs := make([]attribute.KeyValue, 0, 6)
		attrs = append(attrs, attribute.String("rpc.system.name", "grpc"), attribute.String("rpc.method", made.method), attribute.String("rpc.response.status_code", code))
		if made.peer != "" {
			attrs = append(attrs, attribute.String("server.address", made.peer))
		}
		if failed != "" {
			attrs = append(attrs, attribute.String("error.type", failed))
			span.SetStatus(otelcodes.Error, clip(said.Message()))
		}
		if made.request != "" {
			attrs = append(attrs, attribute.String("muster.request_id", made.request))
		}
		span.SetAttributes(attrs...)
	}
	trace.SpanFromContext(ctx).End()
	took := end.EndTime.Sub(end.BeginTime)
	if end.BeginTime.IsZero() || end.EndTime.IsZero() {
		took = 0
	}
	h.duration.record(ctx, max(took, time.Duration(0)), call{target: made.method, peer: made.peer, failed: failed, code: code})
}

// TagConn does nothing.
func (*rpcStats) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn does nothing.
func (*rpcStats) HandleConn(context.Context, stats.ConnStats) {}

// atFault reports whether a status says that the server failed, not its caller
// (OpenTelemetry's semantic conventions for gRPC, server spans).
func atFault(code codes.Code) bool {
	switch code {
	case codes.Unknown, codes.DeadlineExceeded, codes.Unimplemented, codes.Internal, codes.Unavailable, codes.DataLoss:
		return true
	default:
		return false
	}
}

// codeName spells a code as gRPC's documentation does: NOT_FOUND.
func codeName(code codes.Code) string {
	names := [...]string{
		"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED",
		"RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
	}
	if int(code) < len(names) {
		return names[code]
	}
	return code.String()
}

// carrier has a propagator read and write gRPC metadata.
type carrier metadata.MD

func (c carrier) Get(key string) string {
	if v := metadata.MD(c).Get(key); len(v) > 0 {
		return bounded(key, v[0])
	}
	return ""
}

func (c carrier) Set(key, value string) { metadata.MD(c).Set(key, value) }

func (c carrier) Keys() []string {
	keys := make([]string, 0, len(c))
	for k := range c {
		keys = append(keys, k)
	}
	return keys
}
