package registry

import (
	"cmp"
	"maps"
	"slices"

	"github.com/musterdev/muster/call/discovery"
)

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
