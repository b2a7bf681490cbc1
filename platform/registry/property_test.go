package registry

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
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

func TestStoreProperty(t *testing.T) {
	services := []string{"cart", "mail", "stock"}
	ids := []string{"i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7"}
	rapid.Check(t, func(t *rapid.T) {
		now := start
		limits := Limits{Instances: 8, History: rapid.IntRange(1, 8).Draw(t, "history")}
		s := NewStore("e", discovery.LeaseTTL, limits, now)
		m := newModel()
		followers := []*follower{
			{list: map[string]discovery.Instance{}},
			{watch: discovery.Watch{Services: []string{"cart"}}, list: map[string]discovery.Instance{}},
			{watch: discovery.Watch{Services: []string{"mail", "stock"}}, list: map[string]discovery.Instance{}},
		}
		id, by := rapid.SampledFrom(ids), rapid.SampledFrom([]string{"", "p1", "p2"})
		var asked []Suspect
		index := s.Index()
		expire := func(t *rapid.T) {
			suspects := s.Expire(now)
			if want := m.expire(now); !slices.Equal(names(suspects), want) {
				t.Fatalf("suspects are %v, want %v", names(suspects), want)
			}
			m.ask(suspects, now)
			asked = append(asked, suspects...)
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				in := instance(rapid.SampledFrom(services).Draw(t, "service"), id.Draw(t, "id"),
					rapid.SampledFrom([]discovery.State{discovery.Starting, discovery.Ready, discovery.Draining}).Draw(t, "state"))
				if port := rapid.IntRange(0, 9).Draw(t, "port"); port == 0 {
					in.Endpoints = nil
				} else {
					in.Endpoints["http"] = fmt.Sprintf("127.0.0.1:%d", port) // some share one
				}
				by := by.Draw(t, "by")
				reg, err := s.Put(in, by, now)
				l, ok := m.put(in, by, now)
				if !ok && problem.CodeOf(err) != problem.Conflict || ok && err != nil {
					t.Fatalf("by %q: %v, want it taken: %v", by, err, ok)
				}
				if ok && (reg.State != l.shown().State || reg.TTL != 4000) {
					t.Fatalf("answer %+v to %+v", reg, l)
				}
			},
			"some beat": func(t *rapid.T) { // and time passes, as it does between beats
				now = now.Add(time.Second)
				for _, i := range rapid.SliceOfNDistinct(id, 0, len(ids), rapid.ID).Draw(t, "ids") {
					if l := m.leases[i]; l != nil {
						if _, err := s.Put(l.held, l.by, now); err != nil {
							t.Fatalf("a beat of %s: %v", i, err)
						}
						m.put(l.held, l.by, now)
					}
				}
				expire(t)
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
				i, by := id.Draw(t, "id"), by.Draw(t, "by")
				if got, want := s.Delete(i, by, now), m.delete(i, by, now); got != want {
					t.Fatalf("delete %s by %q: %v, want %v", i, by, got, want)
				}
			},
			"pass": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "ms")) * time.Millisecond)
				expire(t)
			},
			"probed": func(t *rapid.T) { // late and twice too
				if len(asked) == 0 {
					t.Skip("nobody is asked")
				}
				who, alive := rapid.SampledFrom(asked).Draw(t, "suspect"), rapid.Bool().Draw(t, "alive")
				s.Probed(who, alive, now)
				m.probed(who, alive, now)
			},
			"hang": func(t *rapid.T) {
				now = now.Add(discovery.LeaseTTL/2 + time.Duration(rapid.IntRange(1, 10000).Draw(t, "ms"))*time.Millisecond)
				before := len(s.leases)
				if suspects := s.Expire(now); len(suspects) > 0 || len(s.leases) < before {
					t.Fatalf("%v are suspects and %d leases ended while nobody could be heard", suspects, before-len(s.leases))
				}
				m.hang(now)
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
				for i, l := range s.leases {
					if silent := now.Sub(l.heard); l.expires.Sub(now) > discovery.LeaseTTL || !l.suspect && silent >= discovery.LeaseTTL+2*time.Second {
						t.Fatalf("%s is kept for %v, after %v of silence", i, l.expires.Sub(now), silent)
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
