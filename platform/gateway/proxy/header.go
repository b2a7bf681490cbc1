package proxy

import (
	"net/http"
	"strings"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/header"
)

// Drops reports whether a field of a request does not go to the instance as the client sent
// it. It does not allocate.
func (g *Gateway) Drops(name string) bool {
	return header.HopByHop(name) || header.Disguised(name) || g.cfg.Find == nil && header.Untrusted(name)
}

// outbound returns the fields that may go to the instance, which filters see. Their values
// are shared with the request's.
func (t *transit) outbound() http.Header {
	in := t.in.Header
	connection := in["Connection"]
	out := make(http.Header, len(in)+7)
	for name, values := range in {
		if t.gateway.Drops(name) || connection != nil && header.Named(connection, name) {
			continue
		}
		out[name] = values
	}
	return out
}

// complete adds what the edge itself says, once filters have seen the fields.
func (t *transit) complete(out http.Header) {
	if header.Named(t.in.Header["Te"], "trailers") {
		out["Te"] = []string{"trailers"} // gRPC asks for it
	}
	if len(t.switches) > 0 {
		out["Connection"], out["Upgrade"] = []string{"Upgrade"}, []string{strings.Join(t.switches, ", ")}
	}
	if t.grpc {
		delete(out, call.DeadlineHeader) // it has grpc-timeout
	}
	if _, ok := out["User-Agent"]; !ok {
		out["User-Agent"] = []string{""} // net/http would name itself
	}
	t.gateway.Tell(&t.Exchange, filter.NetHTTP(out), t.in.Host)
}

// Tell sets the fields by which the edge tells an instance of the request: its id, who sent
// it, by what, to which host, which is the Host field as it came.
func (g *Gateway) Tell(x *Exchange, out filter.Fields, host string) {
	r := &x.Request
	out.Set(observe.RequestIDHeader, r.ID)
	if x.inside {
		return
	}
	if r.Client.IsValid() {
		out.Set("X-Forwarded-For", r.Client.String())
	}
	out.Set("X-Forwarded-Proto", x.scheme())
	out.Set("X-Forwarded-Host", host)
	if w := x.Target.Rewrite; w != nil && w.Prefix != "" && x.Target.Path != "/" {
		out.Set("X-Forwarded-Prefix", x.Target.Path)
	}
	out.Set(discovery.CallerHeader, g.cfg.Name)
}

// inbound copies an answer's header into that of the client's.
func inbound(to, from http.Header) {
	connection := from["Connection"]
	for name, values := range from {
		if header.HopByHop(name) || name == observe.RequestIDHeader || connection != nil && header.Named(connection, name) {
			continue
		}
		to[name] = values
	}
}
