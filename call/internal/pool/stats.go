package pool

import (
	"cmp"
	"slices"
	"time"

	"github.com/musterdev/muster/call/seen"
)

// Stats returns how the calls to the service stand.
func (p *Pool) Stats(now time.Time) seen.Service {
	p.mu.Lock()
	rules := p.follow()
	p.refresh(now)
	s := seen.Service{
		Service: p.Service, Policy: p.chosen, Usual: p.set.Usual(), Ejections: p.ejections + p.set.Ejections(),
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
		to := rules.targets[route]
		s.Routes = append(s.Routes, to.route(now, route))
		if to.Connections > 0 {
			if s.Connections == nil {
				s.Connections = &seen.Connections{}
			}
			s.Connections.PerInstance = max(s.Connections.PerInstance, to.Connections)
		}
	}
	return s
}

func (t *Target) route(now time.Time, route string) seen.Route {
	r := seen.Route{Pattern: route, TargetStats: t.Target.Stats(now), Attempts: t.Counts.Attempts(), Retries: t.Counts.Retries()}
	r.Calls, r.Failed = t.Counts.Calls()
	if t.Fallback != nil && !t.others {
		f := t.Fallback.Stats()
		r.Fallback = &f
	}
	return r
}
