package registry

import (
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// model is what the store should be: leases without history, and the rules of who is kept
// written as they are told.
type model struct {
	leases map[string]*lease
	known  map[string]bool
	over   map[term]time.Time
	lapsed []lapse
	asked  map[string]uint64 // the round in which a suspect is asked

	settings map[string]string
}

type lapse struct {
	service string
	at      time.Time
}

func newModel() *model {
	return &model{
		leases: map[string]*lease{}, known: map[string]bool{}, over: map[term]time.Time{},
		asked: map[string]uint64{}, settings: map[string]string{},
	}
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

func (m *model) put(in discovery.Instance, by string, now time.Time) (l *lease, ok bool) {
	if by != "" && now.Before(m.over[term{in.ID, by}]) {
		return nil, false
	}
	l = m.leases[in.ID]
	if l == nil {
		l = &lease{}
		m.leases[in.ID] = l
	}
	another := l.by != by
	if l.by == "" || by == "" {
		another = len(l.held.Endpoints) > 0 && len(in.Endpoints) > 0 && l.held.Endpoints["http"] != in.Endpoints["http"]
	}
	if another {
		l.drained = false
	}
	if by != "" && l.by != "" && l.by != by {
		m.over[term{in.ID, l.by}] = now.Add(discovery.LeaseTTL)
	}
	if by != "" {
		l.by = by
	}
	l.held, l.heard, l.expires, l.suspect = in, now, now.Add(discovery.LeaseTTL), false
	m.known[in.Service] = true
	delete(m.asked, in.ID)
	return l, true
}

func (m *model) delete(id, by string, now time.Time) bool {
	l := m.leases[id]
	if by != "" {
		m.over[term{id, by}] = now.Add(discovery.LeaseTTL)
	}
	if l == nil || by != "" && l.by != "" && l.by != by {
		return false
	}
	if l.by != "" {
		m.over[term{id, l.by}] = now.Add(discovery.LeaseTTL)
	}
	delete(m.leases, id)
	delete(m.asked, id)
	return true
}

// quiet counts a service, all when it is "": who misses a beat or lapsed of late, and all.
func (m *model) quiet(service string, now time.Time) (silent, all int) {
	for _, l := range m.leases {
		if service == "" || l.held.Service == service {
			all++
			if now.Sub(l.heard) > discovery.LeaseTTL/2 {
				silent++
			}
		}
	}
	for _, e := range m.lapsed {
		if (service == "" || e.service == service) && now.Sub(e.at) < discovery.LeaseTTL {
			all++
			silent++
		}
	}
	return silent, all
}

// expire lets end what ends at once and returns the suspects, sorted.
func (m *model) expire(now time.Time) (suspects []string) {
	maps.DeleteFunc(m.over, func(_ term, until time.Time) bool { return !until.After(now) })
	mass := func(service string) bool {
		silent, all := m.quiet(service, now)
		return silent > 1 && float64(silent) > 0.3*float64(all)
	}
	var gone []string
	for id, l := range m.leases {
		if now.Before(l.expires) {
			continue
		}
		address := l.held.Endpoints["http"]
		taken := false
		for _, other := range m.leases {
			taken = taken || now.Sub(other.heard) <= discovery.LeaseTTL/2 && other.held.Endpoints["http"] == address
		}
		if address != "" && !taken && (mass("") || mass(l.held.Service)) {
			suspects = append(suspects, id)
		} else {
			gone = append(gone, id)
		}
	}
	for _, id := range gone {
		m.lapse(id, now)
	}
	slices.Sort(suspects)
	return suspects
}

func (m *model) lapse(id string, now time.Time) {
	m.lapsed = append(m.lapsed, lapse{m.leases[id].held.Service, now})
	delete(m.leases, id)
	delete(m.asked, id)
}

func (m *model) ask(suspects []Suspect, now time.Time) {
	for _, who := range suspects {
		m.asked[who.Instance.ID] = who.round
		m.leases[who.Instance.ID].expires = now.Add(discovery.LeaseTTL)
	}
}

func (m *model) probed(who Suspect, alive bool, now time.Time) {
	id := who.Instance.ID
	if m.asked[id] != who.round {
		return
	}
	delete(m.asked, id)
	if alive {
		m.leases[id].expires = now.Add(discovery.LeaseTTL)
	} else {
		m.lapse(id, now)
	}
}

func (m *model) hang(now time.Time) {
	for _, l := range m.leases {
		l.heard, l.expires = now, now.Add(discovery.LeaseTTL)
	}
	clear(m.asked)
	maps.DeleteFunc(m.over, func(_ term, until time.Time) bool { return !until.After(now) })
}

func names(suspects []Suspect) []string {
	var list []string
	for _, s := range suspects {
		list = append(list, s.Instance.ID)
	}
	return list
}
