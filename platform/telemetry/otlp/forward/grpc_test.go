package forward_test

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	collecttrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/platform/telemetry/otlp"
	"github.com/musterdev/muster/platform/telemetry/otlp/encode"
	"github.com/musterdev/muster/platform/telemetry/otlp/forward"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

type collector struct {
	collecttrace.UnimplementedTraceServiceServer

	mu    sync.Mutex
	tries int
	got   []string
	key   []string
}

func (c *collector) Export(ctx context.Context, req *collecttrace.ExportTraceServiceRequest) (*collecttrace.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tries++; c.tries == 1 {
		return nil, status.Error(codes.Unavailable, "later")
	}
	md, _ := metadata.FromIncomingContext(ctx)
	c.key = md.Get("api-key")
	for _, rs := range req.ResourceSpans {
		c.got = append(c.got, rs.ScopeSpans[0].Spans[0].Name)
	}
	return &collecttrace.ExportTraceServiceResponse{}, nil
}

func TestGRPC(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &collector{}
	s := grpc.NewServer()
	collecttrace.RegisterTraceServiceServer(s, c)
	go func() { _ = s.Serve(l) }()
	defer s.Stop()
	f := open(t, forward.Config{Endpoint: "http://" + l.Addr().String(), Protocol: forward.GRPC, Dir: t.TempDir(), Headers: map[string]string{"Api-Key": "k"}})
	f.Push(otlp.Traces, request("1"))
	f.Push(otlp.Traces, request("2"))
	f.Push(otlp.Logs, encode.Logs("shop", "", []signal.Log{{Time: 1}})) // not offered there
	running(t, f)
	until(t, "all is settled", func() bool { h := f.Health(); return h.Sent["spans"] == 2 && h.Dropped["logs"] == 1 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if !slices.Equal(c.got, []string{"1", "2"}) || !slices.Equal(c.key, []string{"k"}) {
		t.Errorf("took %q with key %q", c.got, c.key)
	}
}
