// Package carry writes what goes along with a call.
package carry

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call/resilience"
)

// SetPriority writes the priority of the work that a call is made for; none is written
// for the usual one. What is there already counts for nothing: it came from a client.
func SetPriority(ctx context.Context, h http.Header) {
	h.Del(resilience.PriorityHeader)
	if p := resilience.PriorityOf(ctx); p != resilience.Normal {
		h.Set(resilience.PriorityHeader, p.String())
	}
}

// WithPriority is SetPriority for gRPC.
func WithPriority(ctx context.Context) context.Context {
	key := strings.ToLower(resilience.PriorityHeader)
	p := resilience.PriorityOf(ctx)
	md, _ := metadata.FromOutgoingContext(ctx)
	if len(md.Get(key)) == 0 && p == resilience.Normal {
		return ctx
	}
	md = md.Copy()
	md.Delete(key)
	if p != resilience.Normal {
		md.Set(key, p.String())
	}
	return metadata.NewOutgoingContext(ctx, md)
}
