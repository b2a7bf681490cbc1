package admission

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/problem"
)

// oneAnHour lets a caller ask once.
func oneAnHour() *quota.Keeper {
	k := &quota.Keeper{}
	k.Set(quota.Limits{Default: quota.Rate{Count: 1, Per: time.Hour}}, 1)
	return k
}

// Each caller has its own limit, no limit costs a place, and operators have none.
func TestQuotaOfARequest(t *testing.T) {
	c := door(t, Config{Quota: oneAnHour()})
	h := c.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	ask := func(caller, path string) *http.Response {
		r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
		if caller != "" {
			r.Header.Set(discovery.CallerHeader, caller)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	for _, caller := range []string{"orders", "search", ""} {
		if res := ask(caller, "/v1/x"); res.StatusCode != http.StatusOK {
			t.Errorf("%q is answered %d", caller, res.StatusCode)
		}
	}
	res := ask("orders", "/v1/x")
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "3600" ||
		res.Header.Get("RateLimit") != `"orders";r=0;t=3600` || res.Header.Get("RateLimit-Policy") != `"orders";q=1;w=3600` {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if p := problem.FromResponse(res); problem.CodeOf(p) != problem.ResourceExhausted || !strings.Contains(p.Error(), `"orders" may ask this instance for no more than 1/h`) {
		t.Errorf("got %v", p)
	}
	for range 3 {
		if res := ask("orders", "/livez"); res.StatusCode != http.StatusOK {
			t.Errorf("a probe is answered %d", res.StatusCode)
		}
	}
	if s := c.Stats(); s.InFlight != 0 || s.Turned() != 0 {
		t.Errorf("what a limit refuses counts as a lack of room: %+v", s)
	}
}

func TestQuotaOfACall(t *testing.T) {
	cc := serve(t, door(t, Config{Quota: oneAnHour()}), echo(func(context.Context) error { return nil }, func(grpc.ServerStream) error { return nil }))
	as := func(caller string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), discovery.CallerHeader, caller)
	}
	unary := func(ctx context.Context) error {
		return cc.Invoke(ctx, "/test.Echo/Do", &emptypb.Empty{}, &emptypb.Empty{})
	}
	if err := unary(as("orders")); err != nil {
		t.Error(err)
	}
	if err := unary(as("search")); err != nil {
		t.Error(err)
	}
	err := unary(as("orders"))
	if e := problem.From(problem.FromGRPC(err)); status.Code(err) != codes.ResourceExhausted || e.RetryAfter < 59*time.Minute {
		t.Errorf("got %v, to ask again after %s", err, e.RetryAfter)
	}
	s, err := cc.NewStream(as("orders"), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/test.Echo/Watch")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RecvMsg(&emptypb.Empty{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream: %v", err)
	}
	for range 2 {
		if _, err := grpc_health_v1.NewHealthClient(cc).Check(as("orders"), &grpc_health_v1.HealthCheckRequest{}); err != nil {
			t.Errorf("a health check was turned away: %v", err)
		}
	}
}
