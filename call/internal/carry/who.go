package carry

import (
	"context"
	"net/http"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call/discovery"
)

// Who is the service that calls, as the one called is told: it is made once, and written
// to each call without a copy. The zero value tells nothing.
type Who struct {
	values []string
	md     metadata.MD
}

// NewWho returns the Who of a service; "" is nobody.
func NewWho(service string) Who {
	if service == "" {
		return Who{}
	}
	values := []string{service}
	return Who{values, metadata.MD{strings.ToLower(discovery.CallerHeader): values}}
}

// Set writes it to an HTTP header, in place of what is there.
func (w Who) Set(h http.Header) {
	if w.values != nil {
		h[discovery.CallerHeader] = w.values
	}
}

// With is Set for gRPC.
func (w Who) With(ctx context.Context) context.Context {
	if w.values == nil {
		return ctx
	}
	md, has := metadata.FromOutgoingContext(ctx) // a copy
	if !has {
		return metadata.NewOutgoingContext(ctx, w.md)
	}
	md[strings.ToLower(discovery.CallerHeader)] = w.values
	return metadata.NewOutgoingContext(ctx, md)
}
