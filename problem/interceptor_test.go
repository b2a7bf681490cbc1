package problem_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/musterdev/muster/problem"
)

// health is a service every module has: its handlers here do what a test asks.
type health struct {
	healthpb.UnimplementedHealthServer
	do func() error
}

func (h *health) Check(context.Context, *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	return &healthpb.HealthCheckResponse{}, h.do()
}

func (h *health) Watch(*healthpb.HealthCheckRequest, grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	return h.do()
}

// calls returns a unary and a streaming call of a server with the interceptors.
func calls(t *testing.T, log *slog.Logger, do func() error) map[string]func() error {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	srv := grpc.NewServer(grpc.UnaryInterceptor(problem.UnaryServerInterceptor(log)), grpc.StreamInterceptor(problem.StreamServerInterceptor(log)))
	healthpb.RegisterHealthServer(srv, &health{do: do})
	done := make(chan error, 1)
	go func() { done <- srv.Serve(lis) }()
	conn, err := grpc.NewClient("passthrough:///pipe", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		srv.Stop()
		<-done
	})
	client := healthpb.NewHealthClient(conn)
	return map[string]func() error{
		"unary": func() error {
			_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{})
			return err
		},
		"stream": func() error {
			s, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{})
			if err != nil {
				return err
			}
			_, err = s.Recv()
			return err
		},
	}
}

func TestInterceptorsCarryTheErrorOverGRPC(t *testing.T) {
	sent := problem.Wrap(errors.New("secret"), problem.Unprocessable, "100%% of it is wrong").
		WithField("name", "is missing").WithMeta("order", "7").WithRetryAfter(1500 * time.Millisecond)
	for way, call := range calls(t, nil, func() error { return sent }) {
		err := call()
		if status.Code(err) != codes.InvalidArgument || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", way, err)
		}
		var got *problem.Error
		if !errors.As(problem.FromGRPC(err), &got) {
			t.Fatalf("%s: %v", way, err)
		}
		if got.Code != sent.Code || got.Message != sent.Message || len(got.Details) != 1 || got.Meta["order"] != "7" || got.RetryAfter != sent.RetryAfter {
			t.Errorf("%s: %#v", way, got)
		}
	}
}

func TestInterceptorsSurvivePanicsAndLogThem(t *testing.T) {
	for name, value := range map[string]any{"text": "secret boom", "error": errors.New("secret boom")} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, nil))
		for way, call := range calls(t, log, func() error { panic(value) }) {
			err := call()
			if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s, %s: %v", name, way, err)
			}
			if !strings.Contains(out.String(), "secret boom") || !strings.Contains(out.String(), "interceptor_test.go") {
				t.Errorf("%s, %s: the log lacks the panic or its stack: %s", name, way, &out)
			}
			out.Reset()
		}
	}
}

func TestInterceptorsLogOnlyWhatIsThisSidesFault(t *testing.T) {
	for _, tt := range []struct {
		err    error
		logged bool
	}{
		{problem.New(problem.NotFound, "no"), false},
		{errors.New("secret"), true},
		{nil, false},
	} {
		var out bytes.Buffer
		for way, call := range calls(t, slog.New(slog.NewTextHandler(&out, nil)), func() error { return tt.err }) {
			if way == "stream" && tt.err == nil {
				continue // an empty stream ends in io.EOF
			}
			if err := call(); (err == nil) != (tt.err == nil) {
				t.Errorf("%s: %v", way, err)
			}
			if (out.Len() > 0) != tt.logged {
				t.Errorf("%s, %v: log %q", way, tt.err, &out)
			}
			out.Reset()
		}
	}
}

func TestErrorIsAStatusWithoutInterceptors(t *testing.T) {
	err := error(problem.New(problem.Gone, "no more"))
	if status.Code(err) != codes.NotFound {
		t.Errorf("%s", status.Code(err))
	}
}
