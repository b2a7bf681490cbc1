package call

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/resilience"
)

// ServiceStats tell how one caller's calls to one service stand. Durations are in
// nanoseconds in JSON, and counts since the caller's start, which a route begins anew
// when it is taken out of the service's settings and comes back.
type ServiceStats struct {
	Service   string          `json:"service"`
	Policy    balance.Policy  `json:"policy"`    // how an instance is chosen
	Usual     time.Duration   `json:"usual"`     // the latency that an unknown instance is taken to have; 0: nothing is known
	Ejections uint64          `json:"ejections"` // times that an instance was left out for answering badly
	Instances []InstanceStats `json:"instances"` // by id
	Routes    []RouteStats    `json:"routes"`    // by pattern; the first is of the calls that no route matches
}

// InstanceStats tell what a caller knows of one instance.
type InstanceStats struct {
	ID           string        `json:"id"`
	State        string        `json:"state"` // discovery.State, or "gone": off the list, with attempts in flight
	InFlight     int64         `json:"in_flight"`
	Latency      time.Duration `json:"latency"`                // the estimate that balance.PeakEWMA goes by; 0: nothing is known
	EjectedUntil time.Time     `json:"ejected_until,omitzero"` // left out until then for answering badly; zero: it is not
	Suspect      bool          `json:"suspect,omitempty"`      // no connection came about a moment ago
}

// gone is the state of an instance that is off the list.
const gone = "gone"

// RouteStats tell how the calls of one route stand.
type RouteStats struct {
	resilience.TargetStats

	Route    string                    `json:"route"` // the pattern; "" is the service's own
	Calls    uint64                    `json:"calls"`
	Failed   uint64                    `json:"failed"` // calls that brought no answer, whatever the reason
	Attempts AttemptStats              `json:"attempts"`
	Retries  RetryStats                `json:"retries"`
	Fallback *resilience.FallbackStats `json:"fallback,omitempty"`
}

// Stats returns how the calls to each service stand that was called so far, by name.
func (c *Caller) Stats() []ServiceStats {
	c.mu.Lock()
	pools := make([]*pool, 0, len(c.pools))
	for _, p := range c.pools {
		pools = append(pools, p)
	}
	c.mu.Unlock()
	slices.SortFunc(pools, func(a, b *pool) int { return cmp.Compare(a.service, b.service) })
	out := make([]ServiceStats, len(pools))
	now := time.Now()
	for i, p := range pools {
		out[i] = p.stats(now, &c.cfg)
	}
	return out
}

func (p *pool) stats(now time.Time, cfg *Config) ServiceStats {
	p.mu.Lock()
	rules := p.follow(cfg)
	p.refresh(now)
	s := ServiceStats{
		Service: p.service, Policy: p.chosen, Usual: p.set.Usual(), Ejections: p.ejections + p.set.Ejections(),
		Instances: make([]InstanceStats, 0, len(p.members)+len(p.leaving)),
	}
	for i, m := range slices.Concat(p.members, p.leaving) {
		in := m.info.Load()
		one := InstanceStats{
			ID: in.ID, State: string(in.State), InFlight: m.InFlight(), Latency: m.Latency(now),
			EjectedUntil: m.EjectedUntil(now), Suspect: m.Suspect(now),
		}
		if i >= len(p.members) {
			if one.State = gone; one.InFlight == 0 {
				continue // it is taken out with the next change of the list
			}
		}
		s.Instances = append(s.Instances, one)
	}
	p.mu.Unlock()
	slices.SortFunc(s.Instances, func(a, b InstanceStats) int { return cmp.Compare(a.ID, b.ID) })
	for _, route := range append([]string{""}, rules.table.Routes()...) {
		s.Routes = append(s.Routes, rules.targets[route].stats(now, route))
	}
	return s
}

func (t *target) stats(now time.Time, route string) RouteStats {
	r := RouteStats{
		Route: route, TargetStats: t.Stats(now), Calls: t.counts.calls.Load(), Failed: t.counts.failed.Load(),
		Attempts: t.counts.attemptStats(), Retries: t.counts.retryStats(),
	}
	if t.fallback != nil {
		f := t.fallback.Stats()
		r.Fallback = &f
	}
	return r
}

// Unusual says in a few words each what is not as it should be with the calls now, such
// as "catalog-2 is left out for 8s more"; nothing while all is well. What only was so
// is not said.
func (s ServiceStats) Unusual(now time.Time) []string {
	var out []string
	for _, i := range s.Instances {
		switch {
		case i.EjectedUntil.After(now):
			out = append(out, fmt.Sprintf("%s is left out for %s more, it answers badly", i.ID, short(i.EjectedUntil.Sub(now))))
		case i.Suspect:
			out = append(out, i.ID+" cannot be reached")
		}
	}
	if len(s.Instances) == 0 {
		out = append(out, "no instance is known")
	}
	for _, r := range s.Routes {
		said := r.unusual()
		if said != "" && r.Route != "" {
			said = r.Route + ": " + said
		}
		if said != "" {
			out = append(out, said)
		}
	}
	return out
}

func (r RouteStats) unusual() string {
	var out []string
	if b := r.Breaker; b != nil && b.State != resilience.Closed {
		said := "the breaker is " + b.State.String()
		if b.Left > 0 {
			said += " for " + short(b.Left) + " more"
		}
		out = append(out, said)
	}
	if b := r.Bulkhead; b != nil && b.InFlight >= b.Max {
		said := fmt.Sprintf("all %d places are taken", b.Max)
		if b.Waiting > 0 {
			said += fmt.Sprintf(", %d calls wait", b.Waiting)
		}
		out = append(out, said)
	}
	return strings.Join(out, "; ")
}

// short writes a duration as a person wants it.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(time.Second).String()
	case d >= time.Millisecond:
		return d.Round(time.Millisecond).String()
	default:
		return d.Round(time.Microsecond).String()
	}
}
