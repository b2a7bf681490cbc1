package call

import (
	"cmp"
	"slices"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/musterdev/muster/call/seen"
)

// Report has a meter tell how the caller's calls stand; see [seen.Report]. It is called
// once.
func (c *Caller) Report(meter metric.Meter) error { return seen.Report(meter, c.Stats) }

// Stats returns how the calls to each service stand that was called so far, by name.
func (c *Caller) Stats() []seen.Service {
	c.mu.Lock()
	pools := make([]*pool, 0, len(c.pools))
	for _, p := range c.pools {
		pools = append(pools, p)
	}
	c.mu.Unlock()
	slices.SortFunc(pools, func(a, b *pool) int { return cmp.Compare(a.service, b.service) })
	out := make([]seen.Service, len(pools))
	now := time.Now()
	for i, p := range pools {
		out[i] = p.stats(now, &c.cfg)
	}
	return out
}

func (p *pool) stats(now time.Time, cfg *Config) seen.Service {
	p.mu.Lock()
	rules := p.follow(cfg)
	p.refresh(now)
	s := seen.Service{
		Service: p.service, Policy: p.chosen, Usual: p.set.Usual(), Ejections: p.ejections + p.set.Ejections(),
		Instances: make([]seen.Instance, 0, len(p.members)+len(p.leaving)),
	}
	for i, m := range slices.Concat(p.members, p.leaving) {
		in := m.info.Load()
		one := seen.Instance{
			ID: in.ID, State: string(in.State), InFlight: m.InFlight(), Latency: m.Latency(now),
			EjectedUntil: m.EjectedUntil(now), Suspect: m.Suspect(now),
		}
		if i >= len(p.members) {
			if one.State = seen.Gone; one.InFlight == 0 {
				continue // it is taken out with the next change of the list
			}
		}
		s.Instances = append(s.Instances, one)
	}
	p.mu.Unlock()
	slices.SortFunc(s.Instances, func(a, b seen.Instance) int { return cmp.Compare(a.ID, b.ID) })
	for _, route := range append([]string{""}, rules.table.Routes()...) {
		s.Routes = append(s.Routes, rules.targets[route].stats(now, route))
	}
	return s
}

func (t *target) stats(now time.Time, route string) seen.Route {
	r := seen.Route{Pattern: route, TargetStats: t.Stats(now), Attempts: t.counts.Attempts(), Retries: t.counts.Retries()}
	r.Calls, r.Failed = t.counts.Calls()
	if t.fallback != nil {
		f := t.fallback.Stats()
		r.Fallback = &f
	}
	return r
}
