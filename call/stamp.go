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

// stamp is stamped for gRPC: it writes to what a call carries, nil for nothing, and reports
// whether it did.
func (c *Caller) stamp(ctx context.Context, md metadata.MD) (metadata.MD, bool) {
	if c.cfg.Stamp == nil {
		return md, false
	}
	key, fence := c.cfg.Stamp(ctx)
	if key == "" || len(md.Get(IdempotencyKey)) > 0 {
		return md, false
	}
	if md == nil {
		md = metadata.MD{}
	}
	md.Set(IdempotencyKey, key)
	md.Set(Fence, strconv.FormatInt(fence, 10))
	return md, true
}
