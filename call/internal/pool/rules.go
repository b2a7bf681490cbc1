package pool

import (
	"cmp"
	"context"
	"log/slog"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
)

// Rules are how one service is called, as it was said last. They do not change; what
// their targets have counted lives on when others take their place.
type Rules struct {
	said    discovery.Settings // what they were made from
	table   *policy.Table
	targets map[string]*Target // by route; "" is the service's own
	own     *Target            // the service's; the only one unless routed
}

// Target is a service or one of its routes.
type Target struct {
	*resilience.Target

	Pool   *Pool
	Counts *seen.Counts
	Rule   policy.Rule
	// Policy is what the rule's settings come to, and Limit the timeout of a call whose
	// caller has no nearer deadline; 0: none.
	Policy resilience.Settings
	Limit  time.Duration
	// Connections are how many HTTP/1 connections an instance gets; 0: as many as it takes.
	Connections int
	By          string // the header whose value keeps calls together
	// Told says that somebody set a timeout for these calls: then it is the instance's
	// deadline too. The default bounds the wait for an answer's beginning only, as the
	// rest may be a stream that goes on.
	Told bool
	// Fallback gives something in place of an HTTP answer; nil: nothing does.
	Fallback *Fallback

	others bool // the fallback is the service's
}

// follow returns how the pool's service is called; p.mu is held. What cannot be read
// changes nothing.
func (p *Pool) follow() *Rules {
	said, before := p.View.Settings(), p.rules.Load()
	if before != nil && same(said, before.said) {
		return before
	}
	service, err := policy.Parse(said)
	var table *policy.Table
	if err == nil {
		table, err = policy.NewTable(service)
	}
	if err != nil {
		p.log().Warn("how a service is to be called cannot be used; it is called as before", "service", p.Service, "error", err)
		if before != nil {
			was := *before
			was.said = said // tell it once
			p.rules.Store(&was)
			return &was
		}
		table, _ = policy.NewTable(policy.Service{}) // the zero value always has one
	}
	next := &Rules{said: said, table: table, targets: map[string]*Target{}}
	for _, route := range append([]string{""}, table.Routes()...) {
		t, counts := &resilience.Target{}, &seen.Counts{}
		was := before.target(route)
		if was != nil {
			t, counts = was.Target, was.Counts
		}
		to := newTarget(t, table.Rule(route), p.cfg.Usual, next.own)
		to.Pool, to.Counts, to.By = p, counts, table.Balance().By
		to.keeps(was, next.own)
		next.targets[route] = to
		if route == "" {
			next.own = to
		}
	}
	if before == nil || before.table.Balance().Policy != table.Balance().Policy {
		chosen := p.cfg.Balance
		if b := table.Balance().Policy; b != balance.PeakEWMA {
			chosen.Policy = b
		}
		if p.set != nil {
			p.ejections += p.set.Ejections()
		}
		p.set, p.chosen, p.choices = balance.New(chosen), chosen.Policy, nil // the members join it at the next choice
	}
	p.rules.Store(next)
	return next
}

// target returns that of a route, nil when there is none.
func (r *Rules) target(route string) *Target {
	if r == nil {
		return nil
	}
	return r.targets[route]
}

func (p *Pool) log() *slog.Logger {
	if p.cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return p.cfg.Log
}

// newTarget gives a target another rule; usual is what counts where that says nothing, and
// service the target that a route is of.
func newTarget(t *resilience.Target, rule policy.Rule, usual resilience.Settings, service *Target) *Target {
	s := rule.Settings.Clone()
	if s.Timeout == 0 {
		s.Timeout = usual.Timeout
	}
	if s.Retry == (resilience.Retry{}) {
		s.Retry = usual.Retry
	}
	if s.Budget == (resilience.BudgetSettings{}) {
		s.Budget = usual.Budget
	}
	if service == nil {
		t.Set(s)
	} else {
		t.SetWithin(s, service.Target)
	}
	to := &Target{
		Target: t, Rule: rule, Policy: s, Limit: max(0, cmp.Or(s.Timeout, resilience.DefaultTimeout)),
		Told: rule.Settings.Timeout != 0,
	}
	if s.Bulkhead != nil {
		to.Connections = s.Bulkhead.Connections
	}
	return to
}

// Until returns until when an answer is waited for that was asked for at began: the
// timeout counts where the caller has no deadline, and where somebody said it also where
// that is later. Zero: for as long as ctx goes on.
func (t *Target) Until(ctx context.Context, began time.Time) time.Time {
	if t.Limit <= 0 {
		return time.Time{}
	}
	at, has := ctx.Deadline()
	if end := began.Add(t.Limit); !has || t.Told && end.Before(at) {
		return end
	}
	return time.Time{}
}

// Rules returns how the service is called now.
func (p *Pool) Rules() *Rules {
	if r := p.rules.Load(); r != nil && same(p.View.Settings(), r.said) {
		return r
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.follow()
}

// Routed reports whether some routes are called otherwise than the rest.
func (r *Rules) Routed() bool { return len(r.targets) > 1 }

// Matching returns what is known of the calls whose method and path are name, which does
// not matter unless Routed.
func (r *Rules) Matching(name string) *Target {
	if !r.Routed() {
		return r.own
	}
	return r.targets[r.table.Route(name)]
}

// same reports whether two texts are the very same slice: a View hands out one until
// it changes.
func same(a, b discovery.Settings) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
