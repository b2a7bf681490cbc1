package registry

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/call/discovery"
)

// follower keeps a list by the protocol's rules alone, as a client in any language
// would, and looks whenever it likes.
type follower struct {
	watch    discovery.Watch
	list     map[string]discovery.Instance
	settings map[string]string
}

func (f *follower) look(t *rapid.T, s *Store) {
	c, ok := s.Since(f.watch)
	if !ok && (c.Reset || len(c.Changed)+len(c.Removed)+len(c.Settings) > 0) {
		t.Fatalf("nothing new, and yet %+v", c)
	}
	if c.Reset {
		clear(f.list)
		f.settings = map[string]string{}
	}
	for service, text := range c.Settings {
		if f.settings[service] = string(text); string(text) == "null" {
			delete(f.settings, service)
		}
	}
	for _, in := range c.Changed {
		f.list[in.ID] = in
	}
	for _, ref := range c.Removed {
		if f.list[ref.ID].Service == ref.Service { // it may have gone over to another service
			delete(f.list, ref.ID)
		}
	}
	f.watch.Epoch, f.watch.Index = c.Epoch, c.Index
}

// model is what the store should be: leases without history.
type model struct {
	leases map[string]*lease
	known  map[string]bool

	settings map[string]string
}

func (m *model) said(services []string) map[string]string {
	out := maps.Clone(m.settings)
	maps.DeleteFunc(out, func(name, _ string) bool { return len(services) > 0 && !slices.Contains(services, name) })
	return out
}

func (m *model) list(services []string) map[string]discovery.Instance {
	out := map[string]discovery.Instance{}
	for id, l := range m.leases {
		if len(services) == 0 || slices.Contains(services, l.held.Service) {
			out[id] = l.shown()
		}
	}
	return out
}

func TestStoreProperty(t *testing.T) {
	services := []string{"cart", "mail", "stock"}
	ids := []string{"i0", "i1", "i2", "i3", "i4"}
	rapid.Check(t, func(t *rapid.T) {
		now := start
		limits := Limits{Instances: 5, History: rapid.IntRange(1, 8).Draw(t, "history")}
		s := NewStore("e", discovery.LeaseTTL, limits, now)
		m := &model{leases: map[string]*lease{}, known: map[string]bool{}, settings: map[string]string{}}
		followers := []*follower{
			{list: map[string]discovery.Instance{}},
			{watch: discovery.Watch{Services: []string{"cart"}}, list: map[string]discovery.Instance{}},
			{watch: discovery.Watch{Services: []string{"mail", "stock"}}, list: map[string]discovery.Instance{}},
		}
		id := rapid.SampledFrom(ids)
		index := s.Index()
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				in := instance(rapid.SampledFrom(services).Draw(t, "service"), id.Draw(t, "id"),
					rapid.SampledFrom([]discovery.State{discovery.Starting, discovery.Ready, discovery.Draining}).Draw(t, "state"))
				in.Endpoints["http"] = fmt.Sprintf("127.0.0.1:%d", rapid.IntRange(1, 3).Draw(t, "port"))
				reg, err := s.Put(in, now)
				if err != nil {
					t.Fatal(err)
				}
				l := m.leases[in.ID]
				if l == nil {
					l = &lease{}
					m.leases[in.ID] = l
				}
				l.held, l.expires = in, now.Add(discovery.LeaseTTL)
				m.known[in.Service] = true
				if reg.State != l.shown().State || reg.TTL != 4000 {
					t.Fatalf("answer %+v to %+v", reg, l)
				}
			},
			"drain": func(t *rapid.T) {
				i := id.Draw(t, "id")
				_, ok := s.Drain(i, now)
				if l := m.leases[i]; l != nil {
					l.drained = true
				}
				if ok != (m.leases[i] != nil) {
					t.Fatalf("drain %s: %v", i, ok)
				}
			},
			"set": func(t *rapid.T) {
				name := rapid.SampledFrom(services).Draw(t, "service")
				text := rapid.SampledFrom([]string{`{"a":1}`, `{"a":2}`, "null"}).Draw(t, "settings")
				if err := s.Set(name, discovery.Settings(text)); err != nil {
					t.Fatal(err)
				}
				if m.settings[name] = text; text == "null" {
					delete(m.settings, name)
				}
			},
			"delete": func(t *rapid.T) {
				i := id.Draw(t, "id")
				s.Delete(i)
				delete(m.leases, i)
			},
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
				s.Expire(now)
				maps.DeleteFunc(m.leases, func(_ string, l *lease) bool { return !now.Before(l.expires) })
			},
			"hang": func(t *rapid.T) {
				now = now.Add(discovery.LeaseTTL/2 + time.Duration(rapid.IntRange(1, 10000).Draw(t, "ms"))*time.Millisecond)
				if n := s.Expire(now); n > 0 {
					t.Fatalf("%d leases ended while nobody could be heard", n)
				}
				for _, l := range m.leases {
					l.expires = now.Add(discovery.LeaseTTL)
				}
			},
			"look": func(t *rapid.T) {
				f := rapid.SampledFrom(followers).Draw(t, "follower")
				f.look(t, s)
				if want := m.list(f.watch.Services); !maps.EqualFunc(f.list, want, discovery.Instance.Equal) {
					t.Fatalf("follower of %v has %v, want %v", f.watch.Services, f.list, want)
				}
				if want := m.said(f.watch.Services); !maps.Equal(f.settings, want) {
					t.Fatalf("follower of %v was told %v, want %v", f.watch.Services, f.settings, want)
				}
			},
			"": func(t *rapid.T) {
				if s.Index() < index {
					t.Fatalf("the index went from %d to %d", index, s.Index())
				}
				index = s.Index()
				got := map[string]discovery.Instance{}
				c := s.Catalog()
				for _, list := range c.Services {
					for _, in := range list {
						got[in.ID] = in
					}
				}
				if want := m.list(nil); !maps.EqualFunc(got, want, discovery.Instance.Equal) {
					t.Fatalf("the catalog has %v, want %v", got, want)
				}
				if known := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(known, slices.Sorted(maps.Keys(m.known))) {
					t.Fatalf("known are %v, want %v", known, m.known)
				}
			},
		})
	})
}
