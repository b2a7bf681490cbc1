package call_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Whoever is called is told which service calls, and who asks for too much is told so
// once: no other instance is asked for it.
func TestCallsSayWhoCalls(t *testing.T) {
	const much = "may ask for less"
	for name, own := range map[string]string{"orders": "orders", "": "mine"} {
		var said []string
		in, hits := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
			said = r.Header.Values(discovery.CallerHeader)
			problem.Write(w, r, problem.New(problem.ResourceExhausted, much).WithRetryAfter(time.Millisecond))
		})
		c, _ := newCaller(t, call.Config{Name: name}, in)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://stock/v1/x", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(discovery.CallerHeader, "mine")
		res, err := c.Client("stock").Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if len(said) != 1 || said[0] != own || r.Header.Get(discovery.CallerHeader) != "mine" {
			t.Errorf("%q is told as %q, and the request says %q now", name, said, r.Header.Get(discovery.CallerHeader))
		}
		if res.StatusCode != http.StatusTooManyRequests || hits.Load() != 1 {
			t.Errorf("after %d attempts: %d", hits.Load(), res.StatusCode)
		}

		at, h, _ := grpcServer(t, "b")
		h.check = func(ctx context.Context) error {
			md, _ := metadata.FromIncomingContext(ctx)
			said = md.Get(discovery.CallerHeader)
			return problem.ToGRPC(problem.New(problem.ResourceExhausted, much).WithRetryAfter(time.Millisecond))
		}
		c, _ = newCaller(t, call.Config{Name: name}, at)
		ctx := metadata.AppendToOutgoingContext(t.Context(), discovery.CallerHeader, "mine", call.IdempotencyKey, "k")
		_, err = grpc_health_v1.NewHealthClient(c.Dial("stock")).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if status.Code(err) != codes.ResourceExhausted || h.hits.Load() != 1 {
			t.Errorf("after %d attempts: %v", h.hits.Load(), err)
		}
		if len(said) != 1 || said[0] != own {
			t.Errorf("%q is told by gRPC as %q", name, said)
		}
	}
}
