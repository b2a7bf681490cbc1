package muster_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster"
)

// registerCall registers the gRPC method /test.Test/Call, which runs fn.
func registerCall(s *grpc.Server, fn func(ctx context.Context) error) {
	s.RegisterService(&grpc.ServiceDesc{ServiceName: "test.Test", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
		MethodName: "Call",
		Handler: func(_ any, ctx context.Context, dec func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			if err := dec(&emptypb.Empty{}); err != nil {
				return nil, err
			}
			return intercept(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/test.Test/Call"}, func(ctx context.Context, _ any) (any, error) {
				return &emptypb.Empty{}, fn(ctx)
			})
		},
	}}}, struct{}{})
}

func (r *running) dial(t *testing.T, service string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(r.grpcAddr(service), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

func (r *running) grpcAddr(service string) string {
	return fmt.Sprintf("127.0.0.1:%d", r.settings[service].GRPCPort)
}

// refuses waits until nobody listens at addr any more.
func refuses(t *testing.T, addr string) {
	t.Helper()
	waitUntil(t, func() bool {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
}

func serves(name string) muster.Service {
	return muster.Service{Name: name, Run: func(ctx context.Context, app *muster.App) error { return app.Serve(ctx) }}
}

// A gRPC call from outside that is in flight while all services of the process drain
// still reaches a sibling, by both protocols.
func TestDrainKeepsSiblingsForGRPCFromOutside(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	front := muster.Service{Name: "front", Run: func(ctx context.Context, app *muster.App) error {
		registerCall(app.GRPC(), func(ctx context.Context) error {
			close(entered)
			<-release
			if _, err := grpc_health_v1.NewHealthClient(app.Dial("back")).Check(ctx, &grpc_health_v1.HealthCheckRequest{}); err != nil {
				return fmt.Errorf("gRPC: %w", err)
			}
			res, err := app.Client("back").Get("http://back/livez")
			if err != nil {
				return fmt.Errorf("HTTP: %w", err)
			}
			return res.Body.Close()
		})
		return app.Serve(ctx)
	}}
	r := start(t, []muster.Service{front, serves("back")})
	cc := r.dial(t, "front")
	answer := make(chan error, 1)
	go func() { answer <- cc.Invoke(t.Context(), "/test.Test/Call", &emptypb.Empty{}, &emptypb.Empty{}) }()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- r.end() }()
	refuses(t, r.grpcAddr("front"))
	refuses(t, r.grpcAddr("back"))
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("the call in flight failed: %v\n%s", err, r.logs.String())
	}
	if err := <-ended; err != nil || strings.Contains(r.logs.String(), "cut off") {
		t.Errorf("Run = %v\n%s", err, r.logs.String())
	}
}

// A long answer over HTTP takes none of the time that gRPC has for its drain.
func TestDrainStopsGRPCBesideHTTP(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	r := start(t, []muster.Service{{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { close(entered); <-release }))
		return app.Serve(ctx)
	}}})
	answer := make(chan error, 1)
	go func() {
		res, err := http.Get(r.url("hello", "/"))
		if err == nil {
			err = res.Body.Close()
		}
		answer <- err
	}()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- r.end() }()
	refuses(t, r.grpcAddr("hello"))
	close(release)
	if err := <-answer; err != nil {
		t.Errorf("HTTP was cut off before gRPC stopped: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An upgraded connection, such as a WebSocket, is a call in flight too.
func TestDrainWaitsForUpgradedConnections(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	let := sync.OnceFunc(func() { close(release) })
	defer let()
	r := start(t, []muster.Service{{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		app.Handle("/", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			close(entered)
			<-release
			_, _ = io.WriteString(conn, "the message in its hands")
		}))
		return app.Serve(ctx)
	}}})
	req, err := http.NewRequest("GET", r.url("hello", "/"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "x")
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-entered
	ended := make(chan error, 1)
	go func() { ended <- r.end() }()
	refuses(t, fmt.Sprintf("127.0.0.1:%d", r.settings["hello"].Port))
	select {
	case err := <-ended:
		t.Fatalf("Run returned (%v) while the upgraded connection was served", err)
	case <-time.After(100 * time.Millisecond): // what is to be shown is that nothing happens
	}
	let()
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "the message in its hands" {
		t.Errorf("the upgraded connection got %q, %v", b, err)
	}
	if err := <-ended; err != nil || strings.Contains(r.logs.String(), "cut off") {
		t.Errorf("Run = %v\n%s", err, r.logs.String())
	}
}

// What a worker fails with while the service drains is told; that it was told to end
// is no failure.
func TestDrainTellsOfWorkersErrors(t *testing.T) {
	r := start(t, []muster.Service{{Name: "hello", Run: func(ctx context.Context, app *muster.App) error {
		app.Go("flush", func(ctx context.Context) error { <-ctx.Done(); return errors.New("3 rows could not be flushed") })
		app.Go("sweep", func(ctx context.Context) error { <-ctx.Done(); return fmt.Errorf("sweep: %w", ctx.Err()) })
		return app.Serve(ctx)
	}}})
	if err := r.end(); err != nil {
		t.Errorf("Run = %v", err)
	}
	if logs := r.logs.String(); !strings.Contains(logs, "3 rows could not be flushed") || strings.Contains(logs, "sweep:") {
		t.Errorf("want the error of flush, none of sweep:\n%s", logs)
	}
}

// One service fails, all end, and none waits for a sibling that was not told.
func TestOneFailsAllEndAtOnce(t *testing.T) {
	broken := errors.New("the queue is gone")
	failing := muster.Service{Name: "failing", Run: func(ctx context.Context, app *muster.App) error {
		app.Go("consumer", func(context.Context) error { return broken })
		return app.Serve(ctx)
	}}
	began := time.Now()
	err := muster.Run(t.Context(), []muster.Service{failing, serves("well")}, env(), muster.LogTo(io.Discard))
	if took := time.Since(began); !errors.Is(err, broken) || took > 5*time.Second {
		t.Errorf("Run = %v after %s", err, took)
	}
}
