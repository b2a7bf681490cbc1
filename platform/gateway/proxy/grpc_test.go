package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

type text = wrapperspb.StringValue

// echo is a gRPC server without generated code: Unary, and Stream both ways.
type echo struct {
	unary  func(ctx context.Context, in *text) (*text, error)
	stream func(s grpc.ServerStream) error
}

func (x echo) serve(t *testing.T, id string) discovery.Instance {
	t.Helper()
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Unary", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := &text{}
			if err := decode(in); err != nil {
				return nil, err
			}
			return x.unary(ctx, in)
		}}},
		Streams: []grpc.StreamDesc{{StreamName: "Stream", ServerStreams: true, ClientStreams: true, Handler: func(_ any, s grpc.ServerStream) error { return x.stream(s) }}},
	}, x)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	in := at(id, "echo", l.Addr().String())
	delete(in.Endpoints, discovery.HTTP)
	return in
}

func grpcRoutes() []route.Route {
	return []route.Route{{Path: "/test.Echo/", GRPC: true, Service: "echo"}, {Path: "/", Service: "web"}}
}

func dial(t *testing.T, e *edge) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(e.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	return cc
}

var streamDesc = &grpc.StreamDesc{StreamName: "Stream", ServerStreams: true, ClientStreams: true}

func TestGRPCUnary(t *testing.T) {
	in := echo{unary: func(ctx context.Context, in *text) (*text, error) {
		md, _ := metadata.FromIncomingContext(ctx)
		_ = grpc.SetHeader(ctx, metadata.Pairs("x-head", "h", "x-got", strings.Join(md.Get("x-sent"), ","), "x-bin", "\x00\xff"))
		_ = grpc.SetTrailer(ctx, metadata.Pairs("x-tail", "t"))
		if in.GetValue() == "fail" {
			return nil, problem.New(problem.Conflict, "%s", "it is 100% tåken").WithField("name", "taken")
		}
		if _, ok := ctx.Deadline(); !ok {
			return nil, status.Error(codes.Internal, "no deadline")
		}
		return wrapperspb.String(in.GetValue() + "!"), nil
	}}.serve(t, "echo-1")
	e := newEdge(t, grpcRoutes(), nil, in)
	cc := dial(t, e)
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "x-sent", "1", "x-sent", "2"), 10*time.Second)
	defer cancel()
	for _, say := range []string{"hello", "fail", strings.Repeat("large", 500_000)} {
		var head, tail metadata.MD
		out := &text{}
		err := cc.Invoke(ctx, "/test.Echo/Unary", wrapperspb.String(say), out, grpc.Header(&head), grpc.Trailer(&tail))
		if say == "fail" {
			e, ok := errors.AsType[*problem.Error](problem.FromGRPC(err))
			if !ok || e.Code != problem.Conflict || e.Message != "it is 100% tåken" || len(e.Details) != 1 {
				t.Errorf("err = %v", err)
			}
		} else if err != nil || out.GetValue() != say+"!" {
			t.Errorf("%.20s: %.20s, %v", say, out.GetValue(), err)
		}
		// an error at once has no header of its own: all is in the trailer
		if all := metadata.Join(head, tail); fmt.Sprint(all.Get("x-head"), all.Get("x-got"), all.Get("x-tail")) != "[h] [1,2] [t]" || all.Get("x-bin")[0] != "\x00\xff" {
			t.Errorf("%.20s: header %v, trailer %v", say, head, tail)
		}
	}
	_ = cc.Close()
	lines := e.logged(t)
	if len(lines) != 3 || *lines[0].GRPC != 0 || *lines[1].GRPC != int(codes.Aborted) || lines[1].Status != 200 || lines[0].Instance != "echo-1" || lines[0].Route != "/test.Echo/" {
		t.Errorf("logged: %+v", lines)
	}
	if text := scrape(t, e); !strings.Contains(text, `muster_edge_requests_total{method_class="other",route="/test.Echo/",status_class="4xx"} 1`) {
		t.Errorf("the failed call is not counted as one:\n%s", text)
	}
}

// Messages pass one by one, both ways, whoever begins.
func TestGRPCStreams(t *testing.T) {
	in := echo{stream: func(s grpc.ServerStream) error {
		if err := s.SendHeader(metadata.Pairs("x-head", "first")); err != nil {
			return err
		}
		if err := s.SendMsg(wrapperspb.String("welcome")); err != nil {
			return err
		}
		for {
			in := &text{}
			if err := s.RecvMsg(in); errors.Is(err, io.EOF) {
				s.SetTrailer(metadata.Pairs("x-tail", "last"))
				return status.Error(codes.DataLoss, "over")
			} else if err != nil {
				return err
			}
			if err := s.SendMsg(wrapperspb.String("heard " + in.GetValue())); err != nil {
				return err
			}
		}
	}}.serve(t, "echo-1")
	e := newEdge(t, grpcRoutes(), nil, in)
	cc := dial(t, e)
	for range 20 { // the server speaks first, while the client's body is not begun: a race to be lost
		s, err := cc.NewStream(t.Context(), streamDesc, "/test.Echo/Stream")
		if err != nil {
			t.Fatal(err)
		}
		if head, err := s.Header(); err != nil || head.Get("x-head")[0] != "first" {
			t.Fatalf("header %v, %v", head, err)
		}
		out := &text{}
		if err := s.RecvMsg(out); err != nil || out.GetValue() != "welcome" {
			t.Fatalf("%v, %v", out, err)
		}
		for i := range 5 {
			say := fmt.Sprint(i)
			if err := s.SendMsg(wrapperspb.String(say)); err != nil {
				t.Fatal(err)
			}
			if err := s.RecvMsg(out); err != nil || out.GetValue() != "heard "+say {
				t.Fatalf("%v, %v", out, err)
			}
		}
		if err := s.CloseSend(); err != nil {
			t.Fatal(err)
		}
		if err := s.RecvMsg(out); status.Code(err) != codes.DataLoss || s.Trailer().Get("x-tail")[0] != "last" {
			t.Errorf("%v, trailer %v", err, s.Trailer())
		}
	}
}

// A stream may be silent for longer than an HTTP instance may.
func TestGRPCMayBeSilent(t *testing.T) {
	const silence = 20 * time.Millisecond
	in := echo{stream: func(s grpc.ServerStream) error {
		timer := time.NewTimer(5 * silence)
		defer timer.Stop()
		<-timer.C
		return s.SendMsg(wrapperspb.String("at last"))
	}}.serve(t, "echo-1")
	e := newEdge(t, grpcRoutes(), func(_ *call.Config, cfg *proxy.Config) { cfg.AnswerTimeout = silence }, in)
	s, err := dial(t, e).NewStream(t.Context(), streamDesc, "/test.Echo/Stream")
	if err != nil {
		t.Fatal(err)
	}
	out := &text{}
	if err := s.RecvMsg(out); err != nil || out.GetValue() != "at last" {
		t.Errorf("%v, %v", out, err)
	}
}

// What the edge says itself, it says in gRPC's way.
func TestGRPCProblems(t *testing.T) {
	cut := serve(t, "cut-1", "cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	routes := []route.Route{
		{Path: "/test.None/", GRPC: true, Service: "none"},
		{Path: "/test.Gone/", GRPC: true, Service: "gone"},
		{Path: "/test.Cut/", GRPC: true, Service: "cut"},
		{Path: "/test.Web", Service: "web"},
	}
	e := newEdge(t, routes, func(calls *call.Config, _ *proxy.Config) { calls.Wait = -1 }, cut, at("gone-1", "gone", nowhere(t)))
	cc := dial(t, e)
	for method, want := range map[string]struct {
		code    codes.Code
		problem problem.Code
		message string
	}{
		"/test.Nobody/M": {codes.Unimplemented, problem.Unimplemented, "no service is routed"},
		"/test.Web/M":    {codes.Unimplemented, problem.Unimplemented, "no gRPC service is routed"},
		"/test.None/M":   {codes.Unavailable, problem.Unavailable, "no instance that is ready"},
		"/test.Gone/M":   {codes.Unavailable, problem.Unavailable, "cannot be reached"},
		"/test.Cut/M":    {codes.Unknown, problem.Unknown, "not known whether"},
		"/a/../test.X/M": {codes.InvalidArgument, problem.InvalidArgument, "dot segment"},
	} {
		err := cc.Invoke(t.Context(), method, &text{}, &text{})
		e, ok := errors.AsType[*problem.Error](problem.FromGRPC(err))
		if !ok || status.Code(err) != want.code || e.Code != want.problem || !strings.Contains(e.Message, want.message) {
			t.Errorf("%s: %v", method, err)
		}
		if ok && (e.RetryAfter == time.Second) != (want.code == codes.Unavailable) {
			t.Errorf("%s: retry after %s", method, e.RetryAfter)
		}
	}
	_ = cc.Close()
	for _, l := range e.logged(t) {
		if l.GRPC == nil || *l.GRPC == 0 || l.Status != 200 || l.Error == "" {
			t.Errorf("logged: %+v", l)
		}
	}
}

// Who cancels a call, or runs out of time, ends it at the instance too.
func TestGRPCCancel(t *testing.T) {
	begun, over := make(chan struct{}), make(chan error)
	in := echo{stream: func(s grpc.ServerStream) error {
		begun <- struct{}{}
		<-s.Context().Done()
		over <- s.Context().Err()
		return s.Context().Err()
	}}.serve(t, "echo-1")
	e := newEdge(t, grpcRoutes(), nil, in)
	cc := dial(t, e)
	for _, deadline := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		if deadline {
			ctx, cancel = context.WithTimeout(t.Context(), 100*time.Millisecond)
		}
		s, err := cc.NewStream(ctx, streamDesc, "/test.Echo/Stream")
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		if !deadline {
			cancel()
		}
		want := codes.Canceled
		if deadline {
			want = codes.DeadlineExceeded
		}
		if err := s.RecvMsg(&text{}); status.Code(err) != want {
			t.Errorf("deadline %v: %v", deadline, err)
		}
		receive(t, "the instance hears of it", over)
		cancel()
	}
}

// An instance that dies under a stream ends it with an error, never as if it were whole.
func TestGRPCInstanceDies(t *testing.T) {
	in := serve(t, "echo-1", "echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/grpc")
		w.WriteHeader(http.StatusOK)
		_, _ = w.Write([]byte("\x00\x00\x00\x00\x03\x0a\x01a"))
		_ = http.NewResponseController(w).Flush()
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
	e := newEdge(t, grpcRoutes(), nil, in)
	s, err := dial(t, e).NewStream(t.Context(), streamDesc, "/test.Echo/Stream")
	if err != nil {
		t.Fatal(err)
	}
	out := &text{}
	if err := s.RecvMsg(out); err != nil || out.GetValue() != "a" {
		t.Fatalf("%v, %v", out, err)
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(out); err == nil || errors.Is(err, io.EOF) || status.Code(err) == codes.OK {
		t.Errorf("the stream ended with %v", err)
	}
}

// gRPC-Web and plain HTTP share the route of a gRPC service, and are answered as HTTP.
func TestGRPCRouteOverHTTP1(t *testing.T) {
	e := newEdge(t, grpcRoutes(), func(calls *call.Config, _ *proxy.Config) { calls.Wait = -1 })
	res, body := must(t, client(t, false), "POST", e.url+"/test.Echo/Unary", nil, "Content-Type", "application/grpc-web")
	if res.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, `"unavailable"`) {
		t.Errorf("%s %s", res.Status, body)
	}
}
