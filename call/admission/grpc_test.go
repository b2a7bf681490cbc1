package admission

import (
	"context"
	"net"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// echo is a service by hand: one unary method, one that streams.
func echo(unary func(context.Context) error, stream func(grpc.ServerStream) error) *grpc.ServiceDesc {
	return &grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Do", Handler: func(_ any, ctx context.Context, dec func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			if err := dec(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return i(ctx, &emptypb.Empty{}, &grpc.UnaryServerInfo{FullMethod: "/test.Echo/Do"},
				func(ctx context.Context, _ any) (any, error) { return &emptypb.Empty{}, unary(ctx) })
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Watch", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error { return stream(s) }}},
	}
}

func serve(t *testing.T, c *Controller, desc *grpc.ServiceDesc) *grpc.ClientConn {
	t.Helper()
	l := bufconn.Listen(1 << 16)
	s := grpc.NewServer(grpc.ChainUnaryInterceptor(c.Unary()), grpc.ChainStreamInterceptor(c.Stream()))
	s.RegisterService(desc, struct{}{})
	grpc_health_v1.RegisterHealthServer(s, health.NewServer())
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	cc, err := grpc.NewClient("passthrough:///x", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func TestShedStatus(t *testing.T) {
	cc := serve(t, full(t), echo(func(context.Context) error { return nil }, func(grpc.ServerStream) error { return nil }))
	var trailer metadata.MD
	err := cc.Invoke(t.Context(), "/test.Echo/Do", &emptypb.Empty{}, &emptypb.Empty{}, grpc.Trailer(&trailer))
	if status.Code(err) != codes.ResourceExhausted || len(trailer.Get(resilience.ShedHeader)) != 1 {
		t.Errorf("%v, trailer %v", err, trailer)
	}
	if e := problem.From(problem.FromGRPC(err)); e == nil || e.RetryAfter != time.Second || e.Code != problem.ResourceExhausted {
		t.Errorf("%+v", e)
	}
	s, err := cc.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Watch")
	if err != nil {
		t.Fatal(err)
	}
	if err = s.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("stream: %v", err)
	}
	if _, err := grpc_health_v1.NewHealthClient(cc).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{}); err != nil {
		t.Errorf("a health check was turned away: %v", err)
	}
}

func TestPriorityOfACall(t *testing.T) {
	c := door(t, Config{})
	var got resilience.Priority
	cc := serve(t, c, echo(func(ctx context.Context) error { got = resilience.PriorityOf(ctx); return nil }, nil))
	for text, want := range map[string]resilience.Priority{"": resilience.Normal, "critical": resilience.Critical, "x": resilience.Normal} {
		ctx := t.Context()
		if text != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, resilience.PriorityHeader, text)
		}
		if err := cc.Invoke(ctx, "/test.Echo/Do", &emptypb.Empty{}, &emptypb.Empty{}); err != nil || got != want {
			t.Errorf("%q: %s, %v", text, got, err)
		}
	}
	if s := c.Stats(); s.InFlight != 0 || s.Admitted != [resilience.Priorities]uint64{1, 0, 2, 0} {
		t.Errorf("%+v", s)
	}
}

func TestAStreamHoldsNoSlotForLong(t *testing.T) {
	c := door(t, Config{})
	during := make(chan int)
	cc := serve(t, c, echo(nil, func(s grpc.ServerStream) error {
		during <- c.Stats().InFlight
		if err := s.SendMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		during <- c.Stats().InFlight
		<-s.Context().Done()
		return s.Context().Err()
	}))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Watch"); err != nil {
		t.Fatal(err)
	}
	if before, after := <-during, <-during; before != 1 || after != 0 {
		t.Errorf("%d in flight before its first message, %d after", before, after)
	}
}

func TestASilentStreamHoldsNoSlotForLong(t *testing.T) {
	c := door(t, Config{})
	cc := serve(t, c, echo(nil, func(s grpc.ServerStream) error { <-s.Context().Done(); return s.Context().Err() }))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if _, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Watch"); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	seen := false
	for end := time.After(10 * time.Second); ; {
		n := c.Stats().InFlight
		if seen = seen || n == 1; seen && n == 0 {
			return
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%d in flight", n)
		}
	}
}
