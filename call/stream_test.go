package call_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/seen"
)

// streaming is a server whose streams end as each test says.
type streaming struct {
	grpc_health_v1.UnimplementedHealthServer
	end func(context.Context) error
}

func (h *streaming) Watch(_ *grpc_health_v1.HealthCheckRequest, s grpc.ServerStreamingServer[grpc_health_v1.HealthCheckResponse]) error {
	if err := s.Send(&grpc_health_v1.HealthCheckResponse{}); err != nil {
		return err
	}
	return h.end(s.Context())
}

func attempts(c *call.Caller) seen.Attempts { return c.Stats()[0].Routes[0].Attempts }

// A stream is in flight while it is open, and its instance is judged by how it ended.
func TestStreamsAreSeenToTheirEnd(t *testing.T) {
	for name, test := range map[string]struct {
		end  error // the server's own
		want seen.Attempts
	}{
		"ended well":        {nil, seen.Attempts{OK: 1}},
		"a refusal":         {status.Error(codes.NotFound, "no such thing"), seen.Attempts{OK: 1}},
		"a failure":         {status.Error(codes.Internal, "it broke"), seen.Attempts{Failed: 1}},
		"too much to do":    {status.Error(codes.ResourceExhausted, "later"), seen.Attempts{Shed: 1}},
		"its client left":   {nil, seen.Attempts{Abandoned: 1}},
		"the server is cut": {nil, seen.Attempts{Failed: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			cut := make(chan func(), 1)
			in, kill := streamServer(t, func(ctx context.Context) error {
				switch name {
				case "ended well":
					return nil
				case "the server is cut":
					(<-cut)()
					<-ctx.Done()
				case "its client left":
					<-ctx.Done()
				}
				return test.end
			})
			c, _ := newCaller(t, call.Config{}, in)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := grpc_health_v1.NewHealthClient(c.Dial("stock")).Watch(ctx, &grpc_health_v1.HealthCheckRequest{})
			if err != nil {
				t.Fatal(err)
			}
			if n, a := c.InFlight("a"), attempts(c); n != 1 || a.All() != 0 {
				t.Errorf("while it is open %d are in flight, and %+v ended", n, a)
			}
			if _, err := s.Recv(); err != nil {
				t.Fatal(err)
			}
			if cut <- kill; name == "its client left" {
				cancel()
			}
			for err == nil {
				_, err = s.Recv()
			}
			until(t, "nothing is in flight", func() bool { return c.InFlight("a") == 0 })
			if got := attempts(c); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
		})
	}
}

// An instance whose streams fail is left out like one whose calls do.
func TestFailingStreamsEject(t *testing.T) {
	bad, _ := streamServer(t, func(context.Context) error { return status.Error(codes.Internal, "it broke") })
	well, _ := streamServer(t, func(context.Context) error { return nil })
	well.ID = "b"
	c, _ := newCaller(t, call.Config{Balance: balance.Config{Policy: balance.RoundRobin}}, bad, well)
	for range 40 {
		s, err := grpc_health_v1.NewHealthClient(c.Dial("stock")).Watch(t.Context(), &grpc_health_v1.HealthCheckRequest{})
		for err == nil {
			_, err = s.Recv()
		}
	}
	if n := c.Stats()[0].Ejections; n != 1 {
		t.Errorf("%d ejections after 20 streams that failed one after another", n)
	}
}
