package local_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/local"
)

type text = wrapperspb.StringValue

// echo is a gRPC service without generated code that answers who it is and its priority.
func echo(t *testing.T, f *fleet, service string) {
	t.Helper()
	s := grpc.NewServer()
	s.RegisterService(&grpc.ServiceDesc{
		ServiceName: "test.Echo", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Say", Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			in := &text{}
			if err := decode(in); err != nil {
				return nil, err
			}
			md, _ := metadata.FromIncomingContext(ctx)
			return &text{Value: strings.Join(append([]string{service, in.GetValue()}, md.Get("muster-priority")...), " ")}, nil
		}}},
	}, f)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	f.add(service, discovery.GRPC, l.Addr().String())
}

// The authority names the service: two of them may serve the same contract.
func TestGRPC(t *testing.T) {
	f := newFleet()
	echo(t, f, "one")
	echo(t, f, "two")
	addr := start(t, f, local.Config{})
	say := func(authority string) (string, error) {
		cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority(authority))
		if err != nil {
			t.Fatal(err)
		}
		defer cc.Close()
		out := &text{}
		ctx := metadata.AppendToOutgoingContext(t.Context(), "muster-priority", "high")
		err = cc.Invoke(ctx, "/test.Echo/Say", &text{Value: "hello"}, out)
		return out.GetValue(), err
	}
	for authority, want := range map[string]string{"one": "one hello high", "two": "two hello high", "two.muster": "two hello high", "one:443": "one hello high"} {
		if got, err := say(authority); err != nil || got != want {
			t.Errorf("%s: %q %v", authority, got, err)
		}
	}
	for authority, want := range map[string]string{
		"tow":            `the fleet has no service "tow": did you mean "two"?`,
		"localhost":      `the call names no service: set its authority to one, as in grpc.WithAuthority("catalog"): there are one, two`,
		"127.0.0.1:8080": "set its authority",
	} {
		_, err := say(authority)
		if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", authority, err, want)
		}
	}
}
