package proxy

import (
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/filter"
)

// Forget takes back Begin, of a request that another engine serves in place of this one.
func (g *Gateway) Forget(*Exchange) { g.metrics.running.Add(-1) }

// AppendTold is [Gateway.Tell] for an engine that writes the head itself: it appends lines to
// one. Only where filters may have set the same fields it goes by the fields.
func (g *Gateway) AppendTold(head []byte, x *Exchange, fields filter.Fields, host string) []byte {
	if x.chain != nil || x.inside || x.Target.Rewrite != nil {
		g.Tell(x, fields, host)
		return head
	}
	r := &x.Request
	head = line(head, observe.RequestIDHeader, r.ID)
	if r.Client.IsValid() {
		head = append(r.Client.AppendTo(append(head, "X-Forwarded-For: "...)), '\r', '\n')
	}
	head = line(head, "X-Forwarded-Proto", x.scheme())
	head = line(head, "X-Forwarded-Host", host)
	return line(head, discovery.CallerHeader, g.cfg.Name)
}

func line(head []byte, name, value string) []byte {
	head = append(append(head, name...), ": "...)
	return append(append(head, value...), '\r', '\n')
}
