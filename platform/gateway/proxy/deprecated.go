package proxy

import (
	"time"

	"github.com/musterdev/muster/platform/gateway/callers"
	"github.com/musterdev/muster/problem"
)

// Outdated returns who has called the deprecated routes, by route, who calls most first.
func (g *Gateway) Outdated() map[string][]callers.Caller { return g.outdated.All() }

// deprecated counts a request to a route that is, and refuses it once that is over.
func (g *Gateway) deprecated(x *Exchange) error {
	d := x.Target.Deprecated
	if d == nil || x.inside {
		return nil
	}
	g.outdated.Add(x.Target.Label, x.Request.Subject.ID, x.Request.Began)
	g.metrics.outdated.WithLabelValues(x.Target.Label).Inc()
	if !d.Over(x.Request.Began) {
		return nil
	}
	return problem.New(problem.Gone, "this is served no more since %s", d.Sunset.Format(time.DateOnly))
}
