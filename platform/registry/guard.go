package registry

import (
	"maps"
	"slices"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// Suspect is an instance whose lease lapsed together with many others. It may be the
// way its beats take that is gone and not the instance, so that is asked before it is
// given up; see [Store.Probed].
type Suspect struct {
	Instance discovery.Instance
	Again    bool // it was a suspect before, and answered

	round uint64
}

// silence counts the instances of a service, or of the fleet, that are not heard.
type silence struct{ silent, all int }

// isMass reports whether so many are silent that their deaths are to be doubted: more
// than 30 %, and two at least.
func (s silence) isMass() bool { return s.silent >= 2 && 10*s.silent > 3*s.all }

// Expire ends the leases that were not renewed in time. It is to be called several
// times in a lease. When it was not for half a lease, this process has not run and could
// hear nobody: then all leases begin anew instead, for the silence was its own.
//
// When more than 30 % of a service's instances, or of the fleet's, and at least two, are
// silent at once or lapsed within one lease, those that lapse are kept for one lease more
// and returned, to be probed. The rule is applied afresh at every lapse: whoever is silent
// when the others are heard again dies a normal death. So does one without endpoints,
// which cannot be asked, and one with an address that somebody else has registered.
func (s *Store) Expire(now time.Time) []Suspect {
	deaf := now.Sub(s.looked) > s.ttl/2
	s.looked = now
	maps.DeleteFunc(s.over, func(_ term, until time.Time) bool { return !now.Before(until) })
	var lapsed []string
	for id, l := range s.leases {
		switch {
		case deaf:
			l.heard, l.expires = now, now.Add(s.ttl)
			l.suspect, l.round = false, 0
		case !now.Before(l.expires):
			lapsed = append(lapsed, id)
		}
	}
	if len(lapsed) == 0 {
		return nil
	}
	slices.Sort(lapsed) // so that a replay gives the same indexes
	services, fleet := s.silences(now)
	heard := s.heardAt(now)
	var suspects []Suspect
	for _, id := range lapsed {
		l := s.leases[id]
		mass := fleet.isMass() || services[l.held.Service].isMass()
		if !mass || !l.canBeAsked(heard) {
			s.lapse(id, l, now)
			continue
		}
		s.round++
		suspects = append(suspects, Suspect{Instance: l.shown(), Again: l.suspect, round: s.round})
		l.suspect, l.round, l.expires = true, s.round, now.Add(s.ttl)
	}
	return suspects
}

// Probed says what came of asking a suspect: one that is not alive is removed, one that
// is has a lease more. A finding that comes after its instance spoke again, or after it
// was asked anew, is void. Without any finding, the suspect is one again a lease later.
func (s *Store) Probed(who Suspect, alive bool, now time.Time) {
	l := s.leases[who.Instance.ID]
	if l == nil || l.round == 0 || l.round != who.round {
		return
	}
	l.round = 0
	if !alive {
		s.lapse(who.Instance.ID, l, now)
		return
	}
	l.expires = now.Add(s.ttl)
}

// lapse ends a lease that nobody gave back.
func (s *Store) lapse(id string, l *lease, now time.Time) {
	svc := s.services[l.held.Service]
	svc.lapsed = append(svc.lapsed, now)
	s.remove(id, l)
}

// isSilent reports whether a beat at least is missing, which comes four times in a lease.
func (s *Store) isSilent(l *lease, now time.Time) bool { return now.Sub(l.heard) > s.ttl/2 }

// silences counts by service and for the fleet. Those whose lease ended by itself within
// the last lease time count as instances, and as silent.
func (s *Store) silences(now time.Time) (services map[string]silence, fleet silence) {
	services = make(map[string]silence, len(s.services))
	for name, svc := range s.services {
		svc.lapsed = slices.DeleteFunc(svc.lapsed, func(at time.Time) bool { return now.Sub(at) >= s.ttl })
		services[name] = silence{len(svc.lapsed), len(svc.lapsed) + len(svc.ids)}
	}
	for _, l := range s.leases {
		if s.isSilent(l, now) {
			n := services[l.held.Service]
			n.silent++
			services[l.held.Service] = n
		}
	}
	for _, n := range services {
		fleet.silent, fleet.all = fleet.silent+n.silent, fleet.all+n.all
	}
	return services, fleet
}

// heardAt returns the addresses of the instances that are heard.
func (s *Store) heardAt(now time.Time) map[string]bool {
	heard := map[string]bool{}
	for _, l := range s.leases {
		if s.isSilent(l, now) {
			continue
		}
		for _, address := range l.held.Endpoints {
			heard[address] = true
		}
	}
	return heard
}

// canBeAsked reports whether a probe would say something about the instance: it has an
// address, and none that was given to one of those that are heard.
func (l *lease) canBeAsked(heard map[string]bool) bool {
	for _, address := range l.held.Endpoints {
		if heard[address] {
			return false
		}
	}
	return len(l.held.Endpoints) > 0
}
