package observe_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster/observe"
)

// One call over gRPC is two spans of one trace; health checks are none.
func TestGRPCSpansAndMetrics(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	server := grpc.NewServer(grpc.StatsHandler(tel.ServerStats()), grpc.ChainUnaryInterceptor(observe.UnaryServerInterceptor))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "shop.Stock", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Reserve",
		Handler: func(_ any, ctx context.Context, read func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			in := &emptypb.Empty{}
			if err := read(in); err != nil {
				return nil, err
			}
			return intercept(ctx, in, &grpc.UnaryServerInfo{FullMethod: "/shop.Stock/Reserve"}, func(ctx context.Context, _ any) (any, error) {
				if observe.RequestID(ctx) == "none" {
					return nil, status.Error(codes.NotFound, "no such product")
				}
				return in, nil
			})
		},
	}}}, struct{}{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err := grpc.NewClient("passthrough:///"+l.Addr().String(), append(tel.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"r-1", "none"} {
		ctx := observe.WithPeer(observe.WithRequestID(t.Context(), id), "stock")
		err := conn.Invoke(ctx, "/shop.Stock/Reserve", &emptypb.Empty{}, &emptypb.Empty{})
		if (id == "none") != (status.Code(err) == codes.NotFound) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, err := grpc_health_v1.NewHealthClient(conn).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Error(err)
	}
	_ = conn.Close()
	server.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	end()
	var got []string
	list := b.GetSpans()
	for _, s := range list {
		got = append(got, s.SpanKind.String()+" "+s.Name+" "+s.Status.Code.String()+" "+attributes(s))
		for _, other := range list {
			if s.SpanKind.String() == "server" && s.Parent.SpanID() == other.SpanContext.SpanID() && other.SpanKind.String() != "client" {
				t.Errorf("%s is below %s", s.Name, other.Name)
			}
		}
	}
	slices.Sort(got)
	const of = " shop.Stock/Reserve "
	want := []string{
		"client" + of + "Error rpc.system.name=grpc rpc.method=shop.Stock/Reserve rpc.response.status_code=NOT_FOUND server.address=stock error.type=NOT_FOUND",
		"client" + of + "Unset rpc.system.name=grpc rpc.method=shop.Stock/Reserve rpc.response.status_code=OK server.address=stock",
		"server" + of + "Unset rpc.system.name=grpc rpc.method=shop.Stock/Reserve rpc.response.status_code=NOT_FOUND muster.request_id=none",
		"server" + of + "Unset rpc.system.name=grpc rpc.method=shop.Stock/Reserve rpc.response.status_code=OK muster.request_id=r-1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
	for _, name := range []string{"rpc.client.call.duration", "rpc.server.call.duration"} {
		if points := b.points(name); len(points) != 2 {
			t.Errorf("%s: %v", name, points)
		}
	}
}

// method is one unary method of a gRPC service.
func method(name string, do func(context.Context) error) grpc.MethodDesc {
	return grpc.MethodDesc{MethodName: name, Handler: func(_ any, ctx context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := &emptypb.Empty{}
		if err := read(in); err != nil {
			return nil, err
		}
		return in, do(ctx)
	}}
}

// A check of another's health, made to answer a call, is no part of that call; and a call
// of a method that there is not has a span that ends, and no name of its own among the metrics.
func TestCallsThatAreNoTraffic(t *testing.T) {
	b := newBook()
	tel, end := observed(t, b)
	var conn *grpc.ClientConn
	server := grpc.NewServer(grpc.StatsHandler(tel.ServerStats()))
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	server.RegisterService(&grpc.ServiceDesc{ServiceName: "shop.Stock", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{
		method("Reserve", func(ctx context.Context) error {
			if _, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
				return err
			}
			if !trace.SpanFromContext(ctx).IsRecording() {
				return status.Error(codes.Internal, "the span of the call has ended before it")
			}
			return nil
		}),
	}}, struct{}{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	conn, err = grpc.NewClient("passthrough:///"+l.Addr().String(), append(tel.DialOptions(), grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Invoke(t.Context(), "/shop.Stock/Reserve", &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"/shop.Stock/Guess1", "/shop.Guess/Guess2"} {
		if err := conn.Invoke(t.Context(), name, &emptypb.Empty{}, &emptypb.Empty{}); status.Code(err) != codes.Unimplemented {
			t.Error(err)
		}
	}
	_ = conn.Close()
	server.GracefulStop()
	if err := <-served; err != nil {
		t.Error(err)
	}
	end()
	var got []string
	for _, s := range b.GetSpans() {
		if s.SpanKind == trace.SpanKindServer {
			got = append(got, s.Name)
		}
	}
	slices.Sort(got)
	if want := []string{"_OTHER", "_OTHER", "shop.Stock/Reserve"}; !slices.Equal(got, want) {
		t.Errorf("spans %q, want %q", got, want)
	}
	const other = "error.type=UNIMPLEMENTED rpc.method=_OTHER rpc.response.status_code=UNIMPLEMENTED rpc.system.name=grpc"
	if points := b.points("rpc.server.call.duration"); len(points) != 2 || points[other] != 2 {
		t.Errorf("metrics %v", points)
	}
}
