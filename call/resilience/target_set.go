package resilience

import "sync/atomic"

// shared are the policies that a target has of another one.
type shared struct{ budget, breaker, bulkhead bool }

// Set changes the settings while calls run. A policy that stays in use keeps what it
// has counted; one that is new begins afresh. Not to be called twice at once.
func (t *Target) Set(s Settings) { t.SetWithin(s, nil) }

// SetWithin is [Target.Set] for a route of service, whose settings were set before and
// which stays the same one. Budget, breaker and bulkhead are about the service as a whole:
// the route uses the service's own, and begins its own only where s says something else of
// it than the service's settings do.
func (t *Target) SetWithin(s Settings, service *Target) {
	s = s.Clone()
	var had, has shared
	if was := t.shared.Load(); was != nil {
		had = *was
	}
	var of Settings
	if service != nil {
		of = service.Settings()
		has = shared{
			budget:   s.Budget == of.Budget,
			breaker:  s.Breaker != nil && of.Breaker != nil && *s.Breaker == *of.Breaker,
			bulkhead: s.Bulkhead != nil && of.Bulkhead != nil && *s.Bulkhead == *of.Bulkhead,
		}
	}
	if has.budget {
		t.budget.Store(service.Budget())
	} else {
		t.own.Set(s.Budget)
		t.budget.Store(nil)
	}
	if has.breaker {
		t.breaker.Store(service.Breaker())
	} else {
		follow(&t.breaker, had.breaker, s.Breaker, NewBreaker, (*Breaker).Set)
	}
	if has.bulkhead {
		t.bulkhead.Store(service.Bulkhead())
	} else {
		follow(&t.bulkhead, had.bulkhead, s.Bulkhead.places(), NewBulkhead, (*Bulkhead).Set)
	}
	follow(&t.hedge, false, s.Hedge, NewHedge, (*Hedge).Set)
	t.settings.Store(&s)
	t.shared.Store(&has)
}

// follow makes, changes or drops one policy; anothers says that the one in use is not
// the target's own.
func follow[P, S any](at *atomic.Pointer[P], anothers bool, s *S, begin func(S) *P, set func(*P, S)) {
	switch policy := at.Load(); {
	case s == nil:
		at.Store(nil)
	case policy == nil || anothers:
		at.Store(begin(*s))
	default:
		set(policy, *s)
	}
}
