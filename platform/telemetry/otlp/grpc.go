package otlp

import (
	"context"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // senders compress
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster/problem"
)

// Register adds OTLP's three services to a server, which [Receiver.ServerOptions] is to be
// made with: without them a message may be 4 MiB, and calls are not bounded. What is to be sent again is answered with RESOURCE_EXHAUSTED or
// UNAVAILABLE and RetryInfo, the rest as Handler's answers are.
func (r *Receiver) Register(s *grpc.Server) {
	for sig, name := range map[string]string{
		Traces:  "opentelemetry.proto.collector.trace.v1.TraceService",
		Metrics: "opentelemetry.proto.collector.metrics.v1.MetricsService",
		Logs:    "opentelemetry.proto.collector.logs.v1.LogsService",
	} {
		s.RegisterService(&grpc.ServiceDesc{
			ServiceName: name,
			HandlerType: (*any)(nil),
			Methods:     []grpc.MethodDesc{{MethodName: "Export", Handler: r.export(sig, "/"+name+"/Export")}},
			Metadata:    "opentelemetry/proto/collector/" + sig + "/v1",
		}, r)
	}
}

// export is the method Export of one service. The request is decoded into a message
// without fields: then it consists of fields that are not known, which are kept as they
// came, and that is the request in protobuf.
func (r *Receiver) export(sig, method string) grpc.MethodHandler {
	return func(srv any, ctx context.Context, dec func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
		req := &emptypb.Empty{}
		if err := dec(req); err != nil {
			r.tally.request("malformed")
			return nil, problem.ToGRPC(malformed(err))
		}
		handle := func(ctx context.Context, in any) (any, error) {
			req, ok := in.(proto.Message)
			if !ok {
				return nil, problem.ToGRPC(problem.New(problem.Internal, "an interceptor changed the request"))
			}
			out, err := r.call(ctx, sig, req.ProtoReflect().GetUnknown())
			if err != nil {
				return nil, problem.ToGRPC(err)
			}
			return response(sig, out), nil
		}
		if interceptor == nil {
			return handle(ctx, req)
		}
		return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: method}, handle)
	}
}

func (r *Receiver) call(ctx context.Context, sig string, body []byte) (outcome, error) {
	lim := r.Limits.withDefaults()
	n := int64(len(body))
	if n > lim.Body {
		return outcome{}, r.tooLarge(lim)
	}
	if !r.reserve(n, lim.InFlight) {
		return outcome{}, r.busy()
	}
	defer r.inFlight.Add(-n)
	return r.take(ctx, sig, body)
}
