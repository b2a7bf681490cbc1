package balance

import "math"

// The caller's own zone is preferred until it is used to Config.Spill. No caller knows
// how far a zone is used, but it shows in what calls are expected to take there: with one
// worker, a server that is used to the share u answers after 1/(1-u) times its idle
// latency, with many after hardly more than that; between them stands 1/sqrt(1-u). And
// the yardstick is the other zones: where they are no better, nothing is won by leaving.
// So a call stays at home unless that is expected to take 1/sqrt(1-u) times as long as
// the best place elsewhere, network included.

// detour is the least time in ns that a call must save by leaving its zone.
const detour = 2e6

// stays reports whether a call that would go to e stays in its caller's zone.
func (g *Group) stays(e *Endpoint, now int64, c *Call) bool {
	limit := g.set.cfg.Spill
	if limit < 0 || limit >= 1 {
		return true
	}
	p := g.set.prices(now)
	p.policy = PeakEWMA
	here := p.of(e, float64(e.inFlight.Load()))
	bound := min(here*math.Sqrt(1-limit), here-detour*p.share)
	if bound <= 0 {
		return true
	}
	for _, far := range g.away {
		if p.of(far.Endpoint, float64(far.inFlight.Load())) < bound && far.rank(now, c) == well {
			return false
		}
	}
	return true
}
