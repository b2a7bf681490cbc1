package proxy

import (
	"net/http"
	"net/netip"

	"github.com/musterdev/muster/platform/gateway/filter/addresses"
)

// Trusts reports whether an address is that of a proxy in front of the edge, which is
// believed for whom it asks.
func (g *Gateway) Trusts(a netip.Addr) bool { return g.cfg.Trusted != nil && g.cfg.Trusted.Has(a) }

// Believe notes for whom a trusted proxy asks, by its fields X-Forwarded-For and
// X-Forwarded-Proto. Request.Client is that proxy before, and the client afterwards.
func (g *Gateway) Believe(x *Exchange, forwarded []string, proto string) {
	x.Request.Client = addresses.Client(x.Request.Client, forwarded, g.cfg.Trusted)
	x.proto = proto
}

// scheme is how the client asked, as far as the edge believes: "http" or "https".
func (x *Exchange) scheme() string {
	if x.Request.TLS != nil || x.proto == "https" {
		return "https"
	}
	return "http"
}

// peer notes who sent a request of net/http.
func (t *transit) peer(r *http.Request) {
	at, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return
	}
	t.Request.Client = at.Addr().Unmap()
	if t.gateway.Trusts(t.Request.Client) {
		t.gateway.Believe(&t.Exchange, r.Header["X-Forwarded-For"], r.Header.Get("X-Forwarded-Proto"))
	}
}
