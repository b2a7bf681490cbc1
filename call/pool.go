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

// suspicion is how long an instance that could not be dialled is passed over while
// others are there. The registry learns of a death within a lease; this bridges it.
const suspicion = time.Second

// member is what a caller knows of one instance: its load and its connection.
// It outlives changes of the list as long as the instance and its address stay.
type member struct {
	info      atomic.Pointer[discovery.Instance] // its facts; its address never changes
	inFlight  atomic.Int64
	suspectAt atomic.Int64 // unix nanoseconds of the last failed dial, 0 = none

	mu      sync.Mutex
	conn    *grpc.ClientConn
	retired bool
}

func newMember(in discovery.Instance) *member {
	m := &member{}
	m.info.Store(&in)
	return m
}

func (m *member) begin() { m.inFlight.Add(1) }

func (m *member) end() {
	if m.inFlight.Add(-1) == 0 {
		m.closeIfRetired()
	}
}

func (m *member) failedDial(now time.Time) { m.suspectAt.Store(now.UnixNano()) }
func (m *member) answered()                { m.suspectAt.Store(0) }

func (m *member) suspect(now time.Time) bool {
	at := m.suspectAt.Load()
	return at != 0 && now.UnixNano()-at < int64(suspicion)
}

// retire closes the connection as soon as nothing runs on it.
func (m *member) retire() {
	m.mu.Lock()
	m.retired = true
	m.mu.Unlock()
	if m.inFlight.Load() == 0 {
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
	view *discovery.View
	turn atomic.Uint64

	mu      sync.Mutex
	seen    []discovery.Instance // the list the members were made from
	members []*member
	leaving []*member // gone from the list, attempts still in flight
}

// choose picks the member for the next attempt and counts it as loaded; nil when
// the service has no instance that may be chosen.
func (p *pool) choose(op Op, tried []*member, now time.Time) *member {
	// held until the choice is counted: who asks InFlight sees every choice made
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refresh()
	usable := usable(p.members, op)
	candidates := make([]balance.Candidate, len(usable))
	for i, m := range usable {
		weight := m.info.Load().Weight
		if weight <= 0 {
			weight = discovery.DefaultWeight
		}
		candidates[i] = balance.Candidate{
			Load: m.inFlight.Load(), Weight: weight,
			Suspect: m.suspect(now), Tried: slices.Contains(tried, m),
		}
	}
	i := balance.Least(candidates, p.turn.Add(1))
	if i < 0 {
		return nil
	}
	usable[i].begin()
	return usable[i]
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
func (p *pool) refresh() {
	list := p.view.Instances()
	if sameList(list, p.seen) {
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
		old[i].info.Store(&in)
		next = append(next, old[i])
		old = slices.Delete(old, i, i+1)
	}
	for _, m := range old {
		m.retire()
	}
	p.leaving = slices.DeleteFunc(append(p.leaving, old...), func(m *member) bool { return m.inFlight.Load() == 0 })
	p.seen, p.members = list, next
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
