// Package carry writes what goes along with a call.
package carry

import (
	"context"
	"maps"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call/resilience"
)

// SetPriority writes the priority of the work that a call is made for; none is written
// for the usual one. What is there already counts for nothing: it came from a client.
func SetPriority(ctx context.Context, h http.Header) {
	delete(h, resilience.PriorityHeader)
	if p := resilience.PriorityOf(ctx); p != resilience.Normal {
		h[resilience.PriorityHeader] = []string{p.String()}
	}
}

// Tells reports whether SetPriority would change h.
func Tells(ctx context.Context, h http.Header) bool {
	_, has := h[resilience.PriorityHeader]
	return has || resilience.PriorityOf(ctx) != resilience.Normal
}

// Metadata writes to what a gRPC call carries, nil for nothing, the priority and who
// calls, as SetPriority and Set do. It reports whether it changed something.
func (w Who) Metadata(ctx context.Context, md metadata.MD) (metadata.MD, bool) {
	key, p := strings.ToLower(resilience.PriorityHeader), resilience.PriorityOf(ctx)
	_, had := md[key]
	switch {
	case !had && p == resilience.Normal && !w.Tells():
		return md, false
	case md == nil && p == resilience.Normal:
		return w.md, true
	case md == nil:
		md = metadata.MD{}
	}
	delete(md, key)
	if p != resilience.Normal {
		md[key] = []string{p.String()}
	}
	maps.Copy(md, w.md)
	return md, true
}

// Tells reports whether there is somebody to tell of.
func (w Who) Tells() bool { return w.values != nil }
