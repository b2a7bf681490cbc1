package call

import (
	"context"
	"io"
	"net/http"

	"github.com/musterdev/muster/call/discovery"
)

// probe reports whether an instance that was not reached, or is about to return, is there:
// it accepts a connection at each of its endpoints, and, where it speaks for itself, does
// not say of itself that it is not ready. Whoever is probed by a supervisor is known to
// the registry as not ready, but a process that was stopped still accepts connections.
func (c *Caller) probe(ctx context.Context, service string, in *discovery.Instance) bool {
	for name, addr := range in.Endpoints {
		if name == discovery.HTTP && in.Holder == discovery.HolderSelf {
			if !c.ready(ctx, service, addr) {
				return false
			}
			continue
		}
		conn, err := c.cfg.Dial(ctx, addr)
		if err != nil {
			return false
		}
		_ = conn.Close() // that it was opened is the answer
	}
	return true
}

// ready asks an instance that was made with this library for its readiness. Any answer but
// an error of its own counts: not every program that registers itself has the path.
func (c *Caller) ready(ctx context.Context, service, addr string) bool {
	via := c.link(linkKey{service, discovery.HTTP, 0}) // not held up by a bound on connections
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, via.Scheme+"://"+addr+"/readyz", http.NoBody)
	if err != nil {
		return false
	}
	res, err := via.RoundTrip(r)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection may be used again
	return res.StatusCode < http.StatusInternalServerError
}
