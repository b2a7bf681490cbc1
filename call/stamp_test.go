package call_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call"
)

// step is the step that a test's calls belong to.
func step(context.Context) (string, int64) { return "checkout/o-1/pay/do", 3 }

func TestCallsOfAStepCarryItsKeyAndFence(t *testing.T) {
	var seen http.Header
	in, hits := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Clone()
		_, _ = io.WriteString(w, "ok")
	})
	tests := []struct {
		name       string
		stamp      call.Stamp
		own        string
		key, fence string
	}{
		{"within a step", step, "", "checkout/o-1/pay/do", "3"},
		{"with a key of its own", step, "mine", "mine", ""},
		{"outside", func(context.Context) (string, int64) { return "", 0 }, "", "", ""},
		{"no steps at all", nil, "", "", ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := newCaller(t, call.Config{Stamp: tc.stamp}, in)
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://stock/v1/x", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			if tc.own != "" {
				r.Header.Set("Idempotency-Key", tc.own)
			}
			before := hits.Load()
			res, err := c.Client("stock").Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = res.Body.Close()
			if seen.Get("Idempotency-Key") != tc.key || seen.Get(call.Fence) != tc.fence || hits.Load() != before+1 {
				t.Errorf("sent key %q and fence %q, want %q and %q", seen.Get("Idempotency-Key"), seen.Get(call.Fence), tc.key, tc.fence)
			}
			if r.Header.Get("Idempotency-Key") != tc.own {
				t.Error("the caller's request was changed")
			}
		})
	}
}

func TestGRPCCallsOfAStepCarryItsKeyAndFence(t *testing.T) {
	var seen metadata.MD
	in, health, _ := grpcServer(t, "a")
	health.check = func(ctx context.Context) error {
		seen, _ = metadata.FromIncomingContext(ctx)
		return nil
	}
	c, _ := newCaller(t, call.Config{Stamp: step}, in)
	for _, tc := range []struct {
		ctx        context.Context
		key, fence string
	}{
		{t.Context(), "checkout/o-1/pay/do", "3"},
		{keyed(t.Context()), "k1", ""},
	} {
		if err := check(tc.ctx, c); err != nil {
			t.Fatal(err)
		}
		key, fence := strings.Join(seen.Get(call.IdempotencyKey), ","), strings.Join(seen.Get("muster-fence"), ",")
		if key != tc.key || fence != tc.fence {
			t.Errorf("sent key %q and fence %q, want %q and %q", key, fence, tc.key, tc.fence)
		}
	}
}
