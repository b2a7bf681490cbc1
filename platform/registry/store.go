package registry

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Limits bound the memory of a Store. Zero fields take the default.
type Limits struct {
	Instances int // instances at a time; 10,000
	History   int // changes kept for watchers that come back; 4,096
}

func (l Limits) withDefaults() Limits {
	l.Instances = cmp.Or(l.Instances, 10_000)
	l.History = cmp.Or(l.History, 4_096)
	return l
}

// Store is the state of a registry: a pure state machine that has no clock, no lock
// and no goroutine. Its callers pass the time, which must not go backwards, and do
// not call it concurrently. Instances that go in or come out are not to be changed.
type Store struct {
	epoch  string
	ttl    time.Duration
	limits Limits

	index    uint64 // of the last change
	history  history
	services map[string]*service // every service seen, those without instances too
	settings map[string]settings // how services are to be called, those never seen too
	dropped  uint64              // no service that is forgotten changed after this index
	leases   map[string]*lease   // by instance id
	over     map[term]time.Time  // leases that were given back or taken over, until their late beats have come
	looked   time.Time           // when Expire was called last
	round    uint64              // of the last instance to be probed
}

type service struct {
	ids     map[string]struct{}
	changed uint64      // index of its last change
	lapsed  []time.Time // when leases ended by themselves, of the last lease time
}

// term is one holding of an id by one process.
type term struct{ id, by string }

// settings are null once they were taken back: who watches must hear of it.
type settings struct {
	text    discovery.Settings
	changed uint64 // index of the last change
}

type lease struct {
	held    discovery.Instance // as its holder says
	by      string             // which process holds it, "" when it does not say
	drained bool               // an operator ordered it to drain
	heard   time.Time          // when its holder spoke last
	expires time.Time
	suspect bool   // it lapsed together with many others and was kept
	round   uint64 // of the probe under way; 0 when there is none
}

// shown is the instance as others see it: an order outranks the holder's word.
func (l *lease) shown() discovery.Instance {
	in := l.held
	if l.drained {
		in.State = discovery.Draining
	}
	return in
}

// NewStore returns an empty store. The epoch must differ from that of every store
// before it; a lease lasts for ttl.
func NewStore(epoch string, ttl time.Duration, limits Limits, now time.Time) *Store {
	limits = limits.withDefaults()
	return &Store{
		epoch: epoch, ttl: ttl, limits: limits, looked: now,
		history:  history{ring: make([]discovery.Ref, 0, limits.History)},
		services: map[string]*service{}, settings: map[string]settings{}, leases: map[string]*lease{}, over: map[term]time.Time{},
	}
}

// Index returns the index of the last change.
func (s *Store) Index() uint64 { return s.index }

// Put registers an instance or renews its lease; which of both, does not matter. The
// instance must be valid.
//
// By tells one process from another that has the same id; "" is one that does not say,
// of which nothing below holds. An id belongs to the process that registered it last:
// from then on, and after Delete, the beats of the one before are refused for the time
// of a lease, in which those still on their way arrive. The order to drain was for that
// one too, and ends; it also ends when the instance comes back without a single address
// it had.
//
// The error is ResourceExhausted (the store is full) or Conflict (the lease is over).
func (s *Store) Put(in discovery.Instance, by string, now time.Time) (discovery.Registration, error) {
	if until, ended := s.over[term{in.ID, by}]; ended && now.Before(until) {
		return discovery.Registration{}, problem.New(problem.Conflict,
			"the lease of instance %q is over: it was deregistered, or another process registered under the same id", in.ID).
			WithRetryAfter(until.Sub(now))
	}
	l := s.leases[in.ID]
	switch {
	case l == nil && len(s.leases) >= s.limits.Instances:
		return discovery.Registration{}, problem.New(problem.ResourceExhausted,
			"the registry is full: it holds %d instances", s.limits.Instances).WithRetryAfter(s.ttl)
	case l == nil:
		l = &lease{held: in}
		s.leases[in.ID] = l
		s.join(in)
	case l.held.Service != in.Service: // the id went over to another service
		s.leave(l.held)
		l.drained = l.drained && !l.isAnother(in, by)
		l.held = in
		s.join(in)
	default:
		before := l.shown()
		l.drained = l.drained && !l.isAnother(in, by)
		l.held = in
		if !l.shown().Equal(before) {
			s.change(in.Service, in.ID)
		}
	}
	if by != "" && by != l.by {
		s.end(term{in.ID, l.by}, now)
		l.by = by
	}
	l.heard, l.expires = now, now.Add(s.ttl)
	l.suspect, l.round = false, 0
	return s.registration(l, now), nil
}

// isAnother reports whether in is of another process than the one that holds the lease.
func (l *lease) isAnother(in discovery.Instance, by string) bool {
	if l.by != "" && by != "" {
		return l.by != by
	}
	if len(l.held.Endpoints) == 0 || len(in.Endpoints) == 0 {
		return false
	}
	for _, address := range in.Endpoints {
		for _, before := range l.held.Endpoints {
			if address == before {
				return false
			}
		}
	}
	return true
}

// end has the beats of a lease that is over be refused until the last must have come.
// Four times as many are remembered as there may be instances.
func (s *Store) end(t term, now time.Time) {
	if t.by != "" && len(s.over) < 4*s.limits.Instances {
		s.over[t] = now.Add(s.ttl)
	}
}

// Drain orders an instance to drain, until its lease ends. It reports false when
// there is no such instance.
func (s *Store) Drain(id string, now time.Time) (discovery.Registration, bool) {
	l := s.leases[id]
	if l == nil {
		return discovery.Registration{}, false
	}
	before := l.shown()
	l.drained = true
	if !l.shown().Equal(before) {
		s.change(l.held.Service, id)
	}
	return s.registration(l, now), true
}

// Delete ends the lease of an instance and reports whether there was one. By is the
// process that gives its own back: when another holds the id by now, nothing is ended
// but what may still be on its way. "" ends the lease whoever holds it.
func (s *Store) Delete(id, by string, now time.Time) bool {
	s.end(term{id, by}, now)
	l := s.leases[id]
	if l == nil || by != "" && l.by != "" && by != l.by {
		return false
	}
	s.end(term{id, l.by}, now)
	s.remove(id, l)
	return true
}

func (s *Store) remove(id string, l *lease) {
	delete(s.leases, id)
	s.leave(l.held)
}

// Set says how a service is to be called; "null" takes back what was said. The error is
// ResourceExhausted: the store is full.
func (s *Store) Set(name string, text discovery.Settings) error {
	before, was := s.settings[name]
	if !was && len(s.settings) >= s.limits.Instances {
		return problem.New(problem.ResourceExhausted, "the registry is full: it holds the settings of %d services", s.limits.Instances)
	}
	if was && bytes.Equal(before.text, text) || !was && taken(text) {
		return nil
	}
	s.index++
	s.settings[name] = settings{text: slices.Clone(text), changed: s.index}
	s.history.add(discovery.Ref{Service: name}) // no instance
	return nil
}

// taken reports whether settings are those of a service of which nothing is said.
func taken(text discovery.Settings) bool { return string(text) == "null" }

func (s *Store) registration(l *lease, now time.Time) discovery.Registration {
	return discovery.Registration{
		Epoch: s.epoch, Index: s.index, State: l.shown().State, TTL: l.expires.Sub(now).Milliseconds(),
	}
}

func (s *Store) join(in discovery.Instance) {
	svc := s.services[in.Service]
	if svc == nil {
		s.forget()
		svc = &service{ids: map[string]struct{}{}}
		s.services[in.Service] = svc
	}
	svc.ids[in.ID] = struct{}{}
	s.change(in.Service, in.ID)
}

func (s *Store) leave(in discovery.Instance) {
	delete(s.services[in.Service].ids, in.ID)
	s.change(in.Service, in.ID)
}

func (s *Store) change(name, id string) {
	s.index++
	s.services[name].changed = s.index
	s.history.add(discovery.Ref{Service: name, ID: id})
}

// forget makes room for a service: as many are remembered as there may be instances.
// The one that is empty for longest goes; its watchers still hear of what was before.
func (s *Store) forget() {
	if len(s.services) < s.limits.Instances {
		return
	}
	oldest := ""
	for name, svc := range s.services {
		if len(svc.ids) == 0 && (oldest == "" || svc.changed < s.services[oldest].changed) {
			oldest = name
		}
	}
	if oldest != "" {
		s.dropped = max(s.dropped, s.services[oldest].changed)
		delete(s.services, oldest)
	}
}
