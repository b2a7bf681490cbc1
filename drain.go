package muster

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster/call/discovery"
)

const (
	// lameDuck is how long an instance in the registry that the fleet did not drain
	// before goes on serving after it said that it is draining: the time callers take
	// to hear of it. Without a registry nobody would hear, and it is left out.
	lameDuck = time.Second
	// drainBound is how long all calls in flight may take to end after that, those
	// from outside and then those between siblings together.
	drainBound = 10 * time.Second
	// cutGrace is how long handlers that were cut off may take to return.
	cutGrace = time.Second
)

// drain ends the service without losing a call: callers hear of it first, unless
// the fleet drained this instance before it asked it to end. Services that share the
// process go on answering one another until none has a call from outside left.
func (a *App) drain(in *incoming, lease *discovery.Lease, stopWork func(), failed bool) {
	a.Log().Info("draining")
	a.probes.Draining()
	a.health.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if lease != nil && !failed {
		lease.Drain(lameDuck) // returns at once when the fleet had drained it already
	}
	stopWork()
	ctx, cancel := context.WithTimeout(context.Background(), drainBound)
	defer cancel()
	left := in.server
	if len(in.pipes) > 0 {
		a.endAll() // else it would wait in vain for siblings nobody told
		a.endOutside(ctx, in)
		a.leave()
		a.pipes.allLeft(ctx)
		left = in.siblings
	}

	var ending sync.WaitGroup
	ending.Go(func() { a.stopHTTP(ctx, left) })
	ending.Go(func() { a.stopGRPC(ctx) })
	ending.Wait()
	if lease != nil {
		lease.Release()
	}
}

// endOutside takes no more connections from outside and waits for the calls on those
// it has. The one gRPC server cannot stop for TCP alone: its calls are counted.
func (a *App) endOutside(ctx context.Context, in *incoming) {
	for _, l := range in.grpc {
		if l.Addr().Network() == "tcp" {
			_ = l.Close() // closed already when its server failed
		}
	}
	a.stopHTTP(ctx, in.server)
	_ = a.outside.wait(ctx) // what is left, stopGRPC tells of and cuts off
}

// stopHTTP ends a server once its requests have ended, the upgraded ones too, or ctx.
func (a *App) stopHTTP(ctx context.Context, s *httpServer) {
	defer s.cut()
	err := s.Shutdown(ctx)
	if err == nil {
		err = s.requests.wait(ctx)
	}
	if err == nil {
		return
	}
	a.Log().Warn("HTTP calls were cut off at the drain's bound", "bound", drainBound.String())
	_ = s.Close() // whatever is left has had its time
	s.cut()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutGrace)
	defer cancel()
	_ = s.requests.wait(ctx) // a handler that hears of nothing is left behind
}

func (a *App) stopGRPC(ctx context.Context) {
	done := make(chan struct{})
	go func() { a.grpc.GracefulStop(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		a.Log().Warn("gRPC calls were cut off at the drain's bound", "bound", drainBound.String())
		a.grpc.Stop()
		<-done
	}
}
