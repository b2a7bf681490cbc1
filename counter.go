package muster

import (
	"context"
	"sync"

	"google.golang.org/grpc/stats"
)

// counter counts calls in flight. Unlike a sync.WaitGroup it may grow from 0 while
// somebody waits. Its zero value is ready; it is safe for concurrent use.
type counter struct {
	mu    sync.Mutex
	n     int
	empty chan struct{} // closed when n is 0; nil while nobody waits
}

func (c *counter) add(d int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += d
	if c.n == 0 && c.empty != nil {
		close(c.empty)
		c.empty = nil
	}
}

// wait waits until there is no call, or returns ctx's error when it ends before.
func (c *counter) wait(ctx context.Context) error {
	c.mu.Lock()
	if c.n == 0 {
		c.mu.Unlock()
		return nil
	}
	if c.empty == nil {
		c.empty = make(chan struct{})
	}
	empty := c.empty
	c.mu.Unlock()
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// countOutside is a stats handler that counts the gRPC calls in flight that came by
// TCP, not from a sibling's pipe.
type countOutside struct{ calls *counter }

type fromOutside struct{}

func (countOutside) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	if info.LocalAddr != nil && info.LocalAddr.Network() == "tcp" {
		return context.WithValue(ctx, fromOutside{}, true)
	}
	return ctx
}

func (c countOutside) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if ctx.Value(fromOutside{}) == nil {
		return
	}
	switch s.(type) {
	case *stats.Begin:
		c.calls.add(1)
	case *stats.End:
		c.calls.add(-1)
	}
}

func (countOutside) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (countOutside) HandleConn(context.Context, stats.ConnStats)                     {}
