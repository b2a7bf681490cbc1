package call

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/grpc/metadata"
)

// Fence is the header, and in lower case the gRPC metadata key, by which a participant
// tells a step's late attempt from the one that took over: the larger number is later.
const Fence = "Muster-Fence"

// Stamp names the step of a longer process that a call belongs to: the idempotency key
// that all attempts of the step share, and the number of the attempt. "" names none.
type Stamp func(ctx context.Context) (key string, fence int64)

// stamped returns r with the key and fence of the step it is made in. A key that the
// caller set itself stays.
func (c *Caller) stamped(r *http.Request) *http.Request {
	if c.cfg.Stamp == nil {
		return r
	}
	key, fence := c.cfg.Stamp(r.Context())
	if key == "" || r.Header.Get("Idempotency-Key") != "" {
		return r
	}
	r = r.Clone(r.Context()) // a RoundTripper does not change its request
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set(Fence, strconv.FormatInt(fence, 10))
	return r
}

func (c *Caller) stampedContext(ctx context.Context) context.Context {
	if c.cfg.Stamp == nil {
		return ctx
	}
	key, fence := c.cfg.Stamp(ctx)
	if md, ok := metadata.FromOutgoingContext(ctx); key == "" || ok && len(md.Get(IdempotencyKey)) > 0 {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, IdempotencyKey, key, "muster-fence", strconv.FormatInt(fence, 10))
}
