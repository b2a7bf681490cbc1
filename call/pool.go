package call

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
)

// member is what a caller knows of one instance: how it answers and its connection.
// It outlives changes of the list as long as the instance and its address stay.
type member struct {
	*balance.Endpoint
	info  atomic.Pointer[discovery.Instance] // its facts; its address never changes
	heard atomic.Int64                       // unix ns of its last answer

	mu      sync.Mutex
	conn    *grpc.ClientConn
	retired bool
}

func newMember(in discovery.Instance) *member {
	m := &member{Endpoint: balance.NewEndpoint(in.ID)}
	m.learn(in)
	return m
}

func (m *member) learn(in discovery.Instance) {
	m.info.Store(&in)
	m.Describe(in.Weight, in.Zone)
}

func (m *member) end() {
	if m.Release() == 0 {
		m.closeIfRetired()
	}
}

// retire closes the connection as soon as nothing runs on it.
func (m *member) retire() {
	m.mu.Lock()
	m.retired = true
	m.mu.Unlock()
	if m.InFlight() == 0 {
		m.closeIfRetired()
	}
}

func (m *member) closeIfRetired() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.retired && m.conn != nil {
		_ = m.conn.Close() // nothing runs on it; there is nobody to tell
		m.conn = nil
	}
}

// pool holds the members of one service.
type pool struct {
	service string
	view    *discovery.View
	turn    atomic.Uint64

	mu        sync.Mutex
	rules     *rules
	set       *balance.Set         // nil before follow was called
	chosen    balance.Policy       // the set's
	ejections uint64               // of the sets before
	seen      []discovery.Instance // the list the members were made from
	members   []*member
	leaving   []*member            // gone from the list, attempts still in flight
	choices   map[choiceKey]choice // of members, made when first asked for
}

// choiceKey is what makes calls choose from different instances.
type choiceKey struct{ endpoint, version string }

// choice is what the calls of one key choose from.
type choice struct {
	members []*member
	group   *balance.Group
}

// choose picks the member for the next attempt and counts it as loaded; nil when
// the service has no instance that may be chosen.
func (p *pool) choose(op Op, tried []*member, now time.Time) *member {
	// held until the choice is counted: who asks InFlight sees every choice made
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	key := choiceKey{op.Endpoint, op.Version}
	from, ok := p.choices[key]
	if !ok {
		from.members = usable(p.members, op)
		from.group = p.set.Group(endpoints(from.members))
		p.choices[key] = from
	}
	next := balance.Call{Turn: p.turn.Add(1), Tried: endpoints(tried)}
	if op.Key != "" {
		next.Hash = balance.Key(op.Key)
	}
	i := from.group.Pick(now, next)
	if i < 0 {
		return nil
	}
	from.members[i].Begin()
	return from.members[i]
}

// others reports whether there is more than one instance.
func (p *pool) others(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	return len(p.members) > 1
}

// quickest returns the least latency that is expected of an instance that was not tried,
// 0 when nothing is known of it; false when there is none that is well.
func (p *pool) quickest(now time.Time, op Op, tried []*member) (least time.Duration, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh(now)
	for _, m := range usable(p.members, op) {
		if slices.Contains(tried, m) || m.Ejected(now) || m.Suspect(now) {
			continue
		}
		if took := m.Latency(now); !ok || took < least {
			least, ok = took, true
		}
	}
	return least, ok
}

func endpoints(members []*member) []*balance.Endpoint {
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
func usable(members []*member, op Op) []*member {
	pick := func(state discovery.State, version string) []*member {
		out := make([]*member, 0, len(members))
		for _, m := range members {
			in := m.info.Load()
			if in.State == state && in.Endpoints[op.Endpoint] != "" && (version == "" || in.Version == version) {
				out = append(out, m)
			}
		}
		return out
	}
	if op.Version != "" {
		if list := pick(discovery.Ready, op.Version); len(list) > 0 {
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
func (p *pool) refresh(now time.Time) {
	list := p.view.Instances()
	if p.choices != nil && sameList(list, p.seen) {
		return
	}
	old := slices.Clone(p.members)
	next := make([]*member, 0, len(list))
	for _, in := range list {
		i := slices.IndexFunc(old, func(m *member) bool { return sameAddress(*m.info.Load(), in) })
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
	p.leaving = slices.DeleteFunc(append(p.leaving, old...), func(m *member) bool { return m.InFlight() == 0 })
	p.seen, p.members, p.choices = list, next, map[choiceKey]choice{}
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
