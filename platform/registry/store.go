package registry

import (
	"bytes"
	"cmp"
	"maps"
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
	looked   time.Time           // when Expire was called last
}

type service struct {
	ids     map[string]struct{}
	changed uint64 // index of its last change
}

// settings are null once they were taken back: who watches must hear of it.
type settings struct {
	text    discovery.Settings
	changed uint64 // index of the last change
}

type lease struct {
	held    discovery.Instance // as its holder says
	drained bool               // an operator ordered it to drain
	expires time.Time
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
		services: map[string]*service{}, settings: map[string]settings{}, leases: map[string]*lease{},
	}
}

// Index returns the index of the last change.
func (s *Store) Index() uint64 { return s.index }

// Put registers an instance or renews its lease; which of both, does not matter. The
// instance must be valid. The error is ResourceExhausted: the store is full.
func (s *Store) Put(in discovery.Instance, now time.Time) (discovery.Registration, error) {
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
		l.held = in
		s.join(in)
	default:
		before := l.shown()
		l.held = in
		if !l.shown().Equal(before) {
			s.change(in.Service, in.ID)
		}
	}
	l.expires = now.Add(s.ttl)
	return s.registration(l, now), nil
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

// Delete ends the lease of an instance and reports whether there was one.
func (s *Store) Delete(id string) bool {
	l := s.leases[id]
	if l == nil {
		return false
	}
	delete(s.leases, id)
	s.leave(l.held)
	return true
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

// Expire ends the leases that were not renewed in time and returns how many. It is
// to be called several times in a lease. When it was not for half a lease, this
// process has not run and could hear nobody: then all leases begin anew instead, for
// the silence was its own.
func (s *Store) Expire(now time.Time) int {
	deaf := now.Sub(s.looked) > s.ttl/2
	s.looked = now
	var gone []string
	for id, l := range s.leases {
		switch {
		case deaf:
			l.expires = now.Add(s.ttl)
		case !now.Before(l.expires):
			gone = append(gone, id)
		}
	}
	slices.Sort(gone) // so that a replay gives the same indexes
	for _, id := range gone {
		s.Delete(id)
	}
	return len(gone)
}

// Catalog returns the instances of the named services, of all when none is named. A
// service that was never seen is left out.
func (s *Store) Catalog(names ...string) discovery.Catalog {
	c := discovery.Catalog{Epoch: s.epoch, Index: s.index, Services: map[string][]discovery.Instance{}}
	for _, name := range s.known(names) {
		c.Services[name] = s.list(name)
	}
	c.Settings = s.said(names, 0)
	return c
}

// said returns the settings of the named services, of all when none is named, that
// changed after an index: with 0, those that count now.
func (s *Store) said(names []string, after uint64) map[string]discovery.Settings {
	said := map[string]discovery.Settings{}
	for name, set := range s.settings {
		if len(names) > 0 && !slices.Contains(names, name) || set.changed <= after || after == 0 && taken(set.text) {
			continue
		}
		said[name] = set.text
	}
	return said
}

// Since answers a watch. It reports false when there is nothing new: the answer then
// only says so, and is for a watch whose time is up.
func (s *Store) Since(w discovery.Watch) (discovery.Changes, bool) {
	c := discovery.Changes{
		Epoch: s.epoch, Index: s.index,
		Changed: []discovery.Instance{}, Removed: []discovery.Ref{}, Known: s.known(w.Services),
	}
	foreign := w.Epoch != s.epoch || w.Index > s.index
	if !foreign && !s.news(w) {
		return c, false
	}
	refs, ok := s.history.since(w.Index, s.index)
	if foreign || !ok {
		c.Reset = true
		for _, name := range c.Known {
			c.Changed = append(c.Changed, s.list(name)...)
		}
		c.Settings = s.said(w.Services, 0)
		return c, true
	}
	c.Settings = s.said(w.Services, w.Index)
	for _, ref := range refs {
		if ref.ID == "" {
			continue
		}
		if len(w.Services) > 0 && !slices.Contains(w.Services, ref.Service) {
			continue
		}
		if l := s.leases[ref.ID]; l != nil && l.held.Service == ref.Service {
			c.Changed = append(c.Changed, l.shown())
		} else {
			c.Removed = append(c.Removed, ref)
		}
	}
	return c, true
}

// news reports whether a watched service changed after the watch's index.
func (s *Store) news(w discovery.Watch) bool {
	if len(w.Services) == 0 {
		return w.Index < s.index
	}
	return slices.ContainsFunc(w.Services, func(name string) bool {
		if s.settings[name].changed > w.Index {
			return true
		}
		if svc := s.services[name]; svc != nil {
			return svc.changed > w.Index
		}
		return s.dropped > w.Index
	})
}

// known returns those of the names, or of all, that were seen, sorted.
func (s *Store) known(names []string) []string {
	if len(names) == 0 {
		names = slices.Collect(maps.Keys(s.services))
	}
	seen := make([]string, 0, len(names))
	for _, name := range names {
		if s.services[name] != nil {
			seen = append(seen, name)
		}
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

func (s *Store) list(name string) []discovery.Instance {
	list := make([]discovery.Instance, 0, len(s.services[name].ids))
	for id := range s.services[name].ids {
		list = append(list, s.leases[id].shown())
	}
	slices.SortFunc(list, func(a, b discovery.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

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
