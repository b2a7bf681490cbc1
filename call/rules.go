package call

import (
	"cmp"
	"log/slog"
	"reflect"
	"time"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/seen"
)

// rules are how one service is called, as it was said last. They do not change; what
// their targets have counted lives on when others take their place.
type rules struct {
	said    discovery.Settings // what they were made from
	table   *policy.Table
	targets map[string]*target // by route; "" is the service's own
}

// target is a service or one of its routes.
type target struct {
	*resilience.Target

	pool   *pool
	counts *seen.Counts
	rule   policy.Rule
	by     string // the header whose value keeps calls together
	// told says that somebody set a timeout for these calls: then it is the instance's
	// deadline too. The default bounds the wait for an answer's beginning only, as the
	// rest may be a stream that goes on.
	told bool
	// fallback gives something in place of an HTTP answer; nil: nothing does.
	fallback *resilience.Fallback[kept]
}

// follow returns how the pool's service is called; p.mu is held. What cannot be read
// changes nothing.
func (p *pool) follow(cfg *Config) *rules {
	said := p.view.Settings()
	if p.rules != nil && same(said, p.rules.said) {
		return p.rules
	}
	service, err := policy.Parse(said)
	var table *policy.Table
	if err == nil {
		table, err = policy.NewTable(service)
	}
	if err != nil {
		log(cfg).Warn("how a service is to be called cannot be used; it is called as before", "service", p.service, "error", err)
		if p.rules != nil {
			was := *p.rules
			was.said = said // tell it once
			p.rules = &was
			return p.rules
		}
		table, _ = policy.NewTable(policy.Service{}) // the zero value always has one
	}
	next := &rules{said: said, table: table, targets: map[string]*target{}}
	for _, route := range append(table.Routes(), "") {
		t, counts := &resilience.Target{}, &seen.Counts{}
		if before := p.rules.target(route); before != nil {
			t, counts = before.Target, before.counts
		}
		to := newTarget(t, table.Rule(route), cfg.Settings)
		to.pool, to.counts, to.by = p, counts, table.Balance().By
		if before := p.rules.target(route); before != nil && reflect.DeepEqual(before.rule.Settings.Fallback, to.rule.Settings.Fallback) {
			to.fallback = before.fallback // with what it has kept
		}
		next.targets[route] = to
	}
	if p.rules == nil || p.rules.table.Balance().Policy != table.Balance().Policy {
		chosen := cfg.Balance
		if b := table.Balance().Policy; b != balance.PeakEWMA {
			chosen.Policy = b
		}
		if p.set != nil {
			p.ejections += p.set.Ejections()
		}
		p.set, p.chosen, p.choices = balance.New(chosen), chosen.Policy, nil // the members join it at the next choice
	}
	p.rules = next
	return next
}

// target returns that of a route, nil when there is none.
func (r *rules) target(route string) *target {
	if r == nil {
		return nil
	}
	return r.targets[route]
}

func log(cfg *Config) *slog.Logger {
	if cfg.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return cfg.Log
}

// newTarget gives a target another rule; usual is what counts where that says nothing.
func newTarget(t *resilience.Target, rule policy.Rule, usual resilience.Settings) *target {
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
	t.Set(s)
	return &target{Target: t, rule: rule, told: rule.Settings.Timeout != 0, fallback: newFallback(s.Fallback)}
}

// target returns what is known of the calls that op is one of.
func (c *Caller) target(op Op) *target {
	p := c.pool(op.Service)
	p.mu.Lock()
	r := p.follow(&c.cfg)
	p.mu.Unlock()
	return r.targets[r.table.Route(cmp.Or(op.Route, op.Name))]
}

// timeout is what a call gets whose caller has no nearer deadline; 0: nothing.
func (t *target) timeout() time.Duration {
	return max(0, cmp.Or(t.Settings().Timeout, resilience.DefaultTimeout))
}

// Priority returns what a request has that enters the fleet by this call.
func (c *Caller) Priority(op Op) resilience.Priority {
	if p := c.target(op).rule.Priority; p != nil {
		return *p
	}
	return resilience.Normal
}

// same reports whether two texts are the very same slice: a View hands out one until
// it changes.
func same(a, b discovery.Settings) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}
