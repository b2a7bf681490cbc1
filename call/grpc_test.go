package call_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
)

// healthServer is a small gRPC service under the test's control.
type healthServer struct {
	grpc_health_v1.UnimplementedHealthServer
	hits  atomic.Int64
	check func(ctx context.Context) error
}

func (h *healthServer) Check(ctx context.Context, _ *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	h.hits.Add(1)
	if h.check != nil {
		if err := h.check(ctx); err != nil {
			return nil, err
		}
	}
	return &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}, nil
}

func (h *healthServer) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
		return err
	}
	<-s.Context().Done()
	return nil
}

// grpcServer starts one; kill ends it as a crash would, cutting its connections.
func grpcServer(t *testing.T, id string) (in discovery.Instance, h *healthServer, kill func()) {
	t.Helper()
	h = &healthServer{}
	in, kill = serveHealth(t, id, h)
	return in, h, kill
}

func streamServer(t *testing.T, end func(context.Context) error) (in discovery.Instance, kill func()) {
	t.Helper()
	return serveHealth(t, "a", &streaming{end: end})
}

func serveHealth(t *testing.T, id string, h grpc_health_v1.HealthServer) (in discovery.Instance, kill func()) {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &cuttable{Listener: inner}
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, h)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return instance(id, inner.Addr().String()), l.cut
}

// cuttable is a listener whose connections can all be cut at once.
type cuttable struct {
	net.Listener
	mu    sync.Mutex
	conns []net.Conn
}

func (c *cuttable) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	if err == nil {
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
	return conn, err
}

func (c *cuttable) cut() {
	_ = c.Listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.(*net.TCPConn).SetLinger(0)
		_ = conn.Close()
	}
}

func check(ctx context.Context, c *call.Caller) error {
	_, err := grpc_health_v1.NewHealthClient(c.Dial("stock")).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	return err
}

func keyed(ctx context.Context) context.Context {
	return metadata.AppendToOutgoingContext(ctx, call.IdempotencyKey, "k1")
}

func TestGRPCIsSpread(t *testing.T) {
	a, ha, _ := grpcServer(t, "a")
	b, hb, _ := grpcServer(t, "b")
	c, _ := newCaller(t, call.Config{Balance: balance.Config{Policy: balance.RoundRobin}}, a, b)
	for range 10 {
		if err := check(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	if ha.hits.Load() != 5 || hb.hits.Load() != 5 {
		t.Errorf("10 calls in turn went %d:%d, want 5:5", ha.hits.Load(), hb.hits.Load())
	}
}

// An instance that is not there costs nothing, with or without a key.
func TestGRPCUnsentIsRepeated(t *testing.T) {
	b, _, _ := grpcServer(t, "b")
	c, _ := newCaller(t, call.Config{}, dead(t, "a"), b)
	for range 6 {
		if err := check(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
}

// An instance that dies with the call in its hands: repeated only with a key.
func TestGRPCSentIsRepeatedWithAKey(t *testing.T) {
	for _, withKey := range []bool{true, false} {
		a, ha, kill := grpcServer(t, "a")
		b, hb, _ := grpcServer(t, "b")
		c, view := newCaller(t, call.Config{}, a)
		ha.check = func(ctx context.Context) error {
			view.Set([]discovery.Instance{a, b})
			kill()
			<-ctx.Done()
			return ctx.Err()
		}
		ctx := t.Context()
		if withKey {
			ctx = keyed(ctx)
		}
		err := check(ctx, c)
		if withKey && err != nil {
			t.Errorf("with a key: %v", err)
		}
		if !withKey && (status.Code(err) != codes.Unavailable || hb.hits.Load() != 0) {
			t.Errorf("without a key: %v, and the other instance got %d calls", err, hb.hits.Load())
		}
	}
}

func TestGRPCAnswersAreNotRepeated(t *testing.T) {
	a, ha, _ := grpcServer(t, "a")
	b, hb, _ := grpcServer(t, "b")
	refuse := func(context.Context) error { return status.Error(codes.Unavailable, "my own dependency is away") }
	ha.check, hb.check = refuse, refuse
	c, _ := newCaller(t, call.Config{}, a, b)
	if err := check(keyed(t.Context()), c); status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v", err)
	}
	if n := ha.hits.Load() + hb.hits.Load(); n != 1 {
		t.Errorf("%d attempts, want 1: Unavailable was the peer's word", n)
	}
}

func TestGRPCDefaultDeadline(t *testing.T) {
	a, ha, _ := grpcServer(t, "a")
	ha.check = func(ctx context.Context) error {
		at, ok := ctx.Deadline()
		if left := time.Until(at); !ok || left <= 0 || left > time.Minute {
			t.Errorf("deadline %v in %s, want within a minute", ok, left)
		}
		return nil
	}
	c, _ := newCaller(t, call.Config{Settings: resilience.Settings{Timeout: time.Minute}}, a)
	if err := check(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func TestGRPCNoInstance(t *testing.T) {
	c, _ := newCaller(t, call.Config{Wait: -1})
	if err := check(t.Context(), c); status.Code(err) != codes.Unavailable {
		t.Errorf("err = %v, want a status Unavailable", err)
	}
}

// A stream counts as load until its context ends.
func TestGRPCStreamInFlight(t *testing.T) {
	a, _, _ := grpcServer(t, "a")
	c, _ := newCaller(t, call.Config{}, a)
	ctx, cancel := context.WithCancel(t.Context())
	s, err := grpc_health_v1.NewHealthClient(c.Dial("stock")).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	if n := c.InFlight("a"); n != 1 {
		t.Errorf("in flight: %d, want 1", n)
	}
	cancel()
	if _, err := s.Recv(); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("the cancelled stream ended with %v", err)
	}
	if n := c.InFlight("a"); n != 0 {
		t.Errorf("in flight after the end: %d, want 0", n)
	}
}
