// Package pool holds what a caller knows of one service: its instances, how each answers,
// and how it is to be called.
package pool

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
)

// Config is what all pools of a caller share.
type Config struct {
	Usual   resilience.Settings // of a service that says nothing of its own
	Balance balance.Config
	Log     *slog.Logger
	Probe   Probe // of members that are not well; nil: they are not probed
}

// Pool holds the members of one service, and how it is called.
type Pool struct {
	Service string
	View    *discovery.View

	cfg   *Config
	turn  atomic.Uint64
	rules atomic.Pointer[Rules] // changed with mu held

	mu        sync.Mutex
	set       *balance.Set         // nil before follow was called
	chosen    balance.Policy       // the set's
	ejections uint64               // of the sets before
	seen      []discovery.Instance // the list the members were made from
	members   []*Member
	leaving   []*Member       // gone from the list, attempts still in flight
	choices   map[Want]choice // of members, made when first asked for
	probes    probes
}

// New returns the pool of a service.
func New(service string, view *discovery.View, cfg *Config) *Pool {
	return &Pool{Service: service, View: view, cfg: cfg}
}

// Close drops the members; calls that run go on to their end.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.members {
		m.retire()
	}
	p.members, p.seen, p.choices = nil, nil, nil
	p.endProbes()
}

// InFlight returns how many attempts run at the instance with this id.
func (p *Pool) InFlight(id string) (n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range slices.Concat(p.members, p.leaving) {
		if m.info.Load().ID == id {
			n += m.InFlight()
		}
	}
	return n
}

// Want is what an instance must have to be chosen: calls that want the same choose from
// the same.
type Want struct {
	Endpoint string // discovery.HTTP or discovery.GRPC
	Version  string // only instances of this one while one is there; "" means any
}

// choice is what the calls of one key choose from.
type choice struct {
	members []*Member
	group   *balance.Group
}

// Along says which calls go along with one: to the same member.
type Along struct {
	Key      string // those with the same one, where the service's balance is by hash; "" none
	Kept     bool   // by Key, whatever the balance is, and however busy the member
	Instance string // the id of the member it goes to while that is there and well; "" any
}

// Choose picks the member for the next attempt and counts it as loaded; nil when
// the service has no instance that may be chosen.
func (p *Pool) Choose(want Want, along Along, tried []*Member, now time.Time) *Member {
	// held until the choice is counted: who asks InFlight sees every choice made
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	from, ok := p.choices[want]
	if !ok {
		from.members = usable(p.members, want)
		from.group = p.set.Group(endpoints(from.members))
		p.choices[want] = from
	}
	next := balance.Call{Turn: p.turn.Add(1), Tried: endpoints(tried)}
	if along.Key != "" {
		next.Hash, next.Kept = balance.Key(along.Key), along.Kept
	}
	if m := from.named(along.Instance, tried, now); m != nil {
		m.Begin()
		return m
	}
	i := from.group.Pick(now, next)
	p.probeIfNeeded()
	if i < 0 {
		return nil
	}
	from.members[i].Begin()
	return from.members[i]
}

// named returns the member with this id if a call may go there, nil where it may not.
func (c choice) named(id string, tried []*Member, now time.Time) *Member {
	if id == "" {
		return nil
	}
	for _, m := range c.members {
		if m.info.Load().ID == id {
			if slices.Contains(tried, m) || m.Ejected(now) || m.Suspect(now) {
				return nil
			}
			return m
		}
	}
	return nil
}

// Others reports whether there is more than one instance.
func (p *Pool) Others(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	return len(p.members) > 1
}

// Quickest returns the least latency that is expected of an instance that was not tried,
// 0 when nothing is known of it; false when there is none that is well.
func (p *Pool) Quickest(now time.Time, want Want, tried []*Member) (least time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	for _, m := range usable(p.members, want) {
		if slices.Contains(tried, m) || m.Ejected(now) || m.Suspect(now) {
			continue
		}
		if took := m.Latency(now); !ok || took < least {
			least, ok = took, true
		}
	}
	return least, ok
}

func endpoints(members []*Member) []*balance.Endpoint {
	if len(members) == 0 {
		return nil
	}
	out := make([]*balance.Endpoint, len(members))
	for i, m := range members {
		out[i] = m.Endpoint
	}
	return out
}

// usable returns the members that offer the endpoint: of the wanted version while
// it has one, ready ones while there are any, else those that drain.
func usable(members []*Member, want Want) []*Member {
	pick := func(state discovery.State, version string) []*Member {
		out := make([]*Member, 0, len(members))
		for _, m := range members {
			in := m.info.Load()
			if in.State == state && in.Endpoints[want.Endpoint] != "" && (version == "" || in.Version == version) {
				out = append(out, m)
			}
		}
		return out
	}
	if want.Version != "" {
		if list := pick(discovery.Ready, want.Version); len(list) > 0 {
			return list
		}
	}
	if list := pick(discovery.Ready, ""); len(list) > 0 {
		return list
	}
	return pick(discovery.Draining, "")
}

// refresh follows the view; p.mu is held. A member is kept while id and endpoints
// stay the same, so that its load and its connection survive every other change.
func (p *Pool) refresh(now time.Time) {
	list := p.View.Instances()
	if p.choices != nil && sameList(list, p.seen) {
		return
	}
	old := slices.Clone(p.members)
	next := make([]*Member, 0, len(list))
	for _, in := range list {
		i := slices.IndexFunc(old, func(m *Member) bool { return sameAddress(*m.info.Load(), in) })
		if i < 0 {
			next = append(next, newMember(in))
			continue
		}
		old[i].learn(in)
		next = append(next, old[i])
		old = slices.Delete(old, i, i+1)
	}
	for _, m := range old {
		m.retire()
	}
	p.leaving = slices.DeleteFunc(append(p.leaving, old...), func(m *Member) bool { return m.InFlight() == 0 })
	p.seen, p.members, p.choices = list, next, map[Want]choice{}
	p.set.Replace(now, endpoints(next))
}

// sameAddress reports whether a and b are one process at one place.
func sameAddress(a, b discovery.Instance) bool {
	return a.ID == b.ID && maps.Equal(a.Endpoints, b.Endpoints)
}

// sameList reports whether two lists are the very same slice: a View hands out one
// slice until it changes.
func sameList(a, b []discovery.Instance) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
