package calls

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
)

// inMemory is a listener whose connections never leave the process.
type inMemory struct{ *bufconn.Listener }

func listenInMemory() inMemory { return inMemory{bufconn.Listen(64 << 10)} }

// Dial connects, whatever the address.
func (l inMemory) Dial(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }

// caller returns a Caller of the service stock, one instance of which is at l.
func (l inMemory) caller() *call.Caller {
	return call.New(call.Config{Dial: l.Dial, Resolver: discovery.Fixed(map[string][]discovery.Instance{"stock": {{
		ID: "stock-1", Service: "stock", State: discovery.Ready,
		Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:1", discovery.GRPC: "127.0.0.1:1"},
	}}})})
}

// httpFigures measures an HTTP call with a short answer.
func httpFigures(r *report) (measure func(context.Context, int) error, closeAll func()) {
	l := listenInMemory()
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "42 in stock") })}
	go func() { _ = server.Serve(l) }() // ends with Close below
	transport := func() *http.Transport {
		return &http.Transport{DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) { return l.Dial(ctx, addr) }, MaxIdleConnsPerHost: 100, DisableCompression: true}
	}
	caller, plain, wrapped := l.caller(), transport(), transport()
	get := func(through http.RoundTripper) func(context.Context) error {
		return func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://stock/v1/items/7", http.NoBody)
			if err != nil {
				return err
			}
			res, err := through.RoundTrip(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, res.Body)
			return errors.Join(err, res.Body.Close())
		}
	}
	composed := get(failsafehttp.NewRoundTripper(wrapped, policies[*http.Response]()...))
	measure = compared(r, realCalls, "HTTP", "failsafe-go", true, [3]way{
		{"Muster", get(caller.Transport("stock"))},
		{"failsafe-go", func(ctx context.Context) error { return within(ctx, composed) }},
		{"bare", get(plain)},
	})
	return measure, func() {
		caller.Close()
		plain.CloseIdleConnections()
		wrapped.CloseIdleConnections()
		_ = server.Close() // nobody calls any more
	}
}

// ownRetry is how grpc-go is told to repeat calls itself.
const ownRetry = `{"methodConfig": [{"name": [{}], "timeout": "10s", "retryPolicy": {"maxAttempts": 3,
	"initialBackoff": "0.02s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}],
	"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}}`

// grpcFigures measures a unary gRPC call.
func grpcFigures(r *report) (measure func(context.Context, int) error, closeAll func(), err error) {
	l := listenInMemory()
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(l) }() // ends with Stop below
	dial := func(opts ...grpc.DialOption) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///stock", append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(l.Dial))...)
	}
	plain, err := dial()
	retried, also := dial(grpc.WithDefaultServiceConfig(ownRetry))
	if err := errors.Join(err, also); err != nil {
		return nil, nil, err
	}
	caller := l.caller()
	check := func(through grpc.ClientConnInterface) func(context.Context) error {
		client := grpc_health_v1.NewHealthClient(through)
		return func(ctx context.Context) error {
			_, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
			return err
		}
	}
	measure = compared(r, realCalls, "gRPC", "grpc-go's own retry", false, [3]way{
		{"Muster", check(caller.Dial("stock"))},
		{"grpc-go's own retry", check(retried)},
		{"bare", check(plain)},
	})
	return measure, func() {
		caller.Close()
		_ = errors.Join(plain.Close(), retried.Close()) // the process ends
		server.Stop()
	}, nil
}
