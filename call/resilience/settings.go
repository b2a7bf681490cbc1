package resilience

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/problem"
)

// Settings are the policies of the calls to one target or by one route. The zero value
// is the safe default: a deadline, few retries within a budget, and nothing else.
// A nil pointer means that a policy is not used; `breaker: {}` in a file uses it with
// its defaults. They can be read by strictyaml's Decode, and from JSON with the same
// words and units.
type Settings struct {
	Timeout  time.Duration     `yaml:"timeout"` // of a call whose caller has no nearer deadline; 0 means 10 s; negative none, which a file cannot say
	Retry    Retry             `yaml:"retry"`
	Budget   BudgetSettings    `yaml:"budget"`
	Breaker  *BreakerSettings  `yaml:"breaker"`
	Bulkhead *BulkheadSettings `yaml:"bulkhead"`
	Hedge    *HedgeSettings    `yaml:"hedge"`
	Fallback *FallbackSettings `yaml:"fallback"`
}

// DefaultTimeout is what a call gets that nobody gave a deadline.
const DefaultTimeout = 10 * time.Second

// Default returns the settings that the zero value means, written out.
func Default() Settings {
	return Settings{Timeout: DefaultTimeout, Retry: DefaultRetry, Budget: DefaultBudget}
}

// Clone returns a copy that shares nothing with s, to be decoded into where a route
// changes some of what its service has.
func (s Settings) Clone() Settings {
	s.Breaker, s.Bulkhead = copied(s.Breaker), copied(s.Bulkhead)
	s.Hedge, s.Fallback = copied(s.Hedge), copied(s.Fallback)
	return s
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// The bounds of [Settings.Validate].
const (
	maxAttempts = 10
	maxWindow   = time.Hour
	minWindow   = 10 * time.Millisecond
	maxWait     = 24 * time.Hour
	maxPlaces   = 1_000_000

	maxMegabytes = 4096
)

// Validate returns an *problem.Error (invalid_argument) with one detail for each field
// whose value is out of its range, or nil. Fields are named as in a file, such as
// "breaker.open".
func (s Settings) Validate() error {
	var c checks
	c.span("timeout", s.Timeout, 0, maxWait)
	c.count("retry.attempts", s.Retry.Attempts, 0, maxAttempts)
	c.span("retry.backoff", s.Retry.Backoff, 0, time.Minute)
	c.share("budget.share", s.Budget.Share)
	c.count("budget.floor", s.Budget.Floor, -1, maxPlaces)
	if b := s.Breaker; b != nil {
		if b.Window != 0 {
			c.span("breaker.window", b.Window, minWindow, maxWindow)
		}
		c.count("breaker.min_calls", b.MinCalls, 0, maxPlaces)
		c.share("breaker.failures", b.Failures)
		c.share("breaker.slow_calls", b.SlowCalls)
		c.span("breaker.slow_after", b.SlowAfter, 0, maxWindow)
		c.span("breaker.open", b.Open, 0, maxWindow)
		c.count("breaker.probes", b.Probes, 0, maxPlaces)
		if b.SlowAfter != 0 && b.SlowCalls == 0 {
			c.add("breaker.slow_after", "does nothing without slow_calls; set that too, such as 80%%")
		}
	}
	if b := s.Bulkhead; b != nil {
		c.count("bulkhead.max", b.Max, 0, maxPlaces)
		c.count("bulkhead.queue", b.Queue, 0, maxPlaces)
		c.span("bulkhead.wait", b.Wait, 0, maxWait)
		c.count("bulkhead.connections", b.Connections, 0, maxPlaces)
		if b.Wait != 0 && b.Queue == 0 {
			c.add("bulkhead.wait", "does nothing without a queue; set queue too, such as 20")
		}
	}
	if h := s.Hedge; h != nil {
		c.span("hedge.after", h.After, 0, maxWindow)
		c.share("hedge.quantile", h.Quantile)
		c.span("hedge.least", h.Least, 0, maxWindow)
		if h.Quantile == 1 {
			c.add("hedge.quantile", "is 100%%, so that hardly any call would be hedged; 95%% is usual")
		}
		if h.After != 0 && h.Quantile != 0 {
			c.add("hedge.quantile", "does nothing beside after; keep one of them")
		}
	}
	if f := s.Fallback; f != nil {
		c.span("fallback.last_good", f.LastGood, 0, 365*24*time.Hour)
		c.count("fallback.entries", f.Entries, 0, maxPlaces)
		c.count("fallback.megabytes", f.Megabytes, 0, maxMegabytes)
		if f.LastGood == 0 && f.Value == "" {
			c.add("fallback", "falls back on nothing; set last_good, such as 5m, or value")
		}
	}
	return c.err()
}

type checks struct{ found []problem.Detail }

func (c *checks) add(field, format string, args ...any) {
	c.found = append(c.found, problem.Detail{Field: field, Reason: fmt.Sprintf(format, args...)})
}

func (c *checks) count(field string, v, low, high int) {
	if v < low || v > high {
		c.add(field, "is %d; it goes from %d to %d", v, low, high)
	}
}

func (c *checks) span(field string, v, low, high time.Duration) {
	if v < low || v > high {
		c.add(field, "is %s; it goes from %s to %s", v, low, high)
	}
}

func (c *checks) share(field string, v Share) {
	if !(v >= 0 && v <= 1) { // NaN is neither
		c.add(field, "is %s; it goes from 0%% to 100%%", v)
	}
}

func (c *checks) err() error {
	if len(c.found) == 0 {
		return nil
	}
	e := problem.New(problem.InvalidArgument, "the policies of a call cannot be used as they are set")
	e.Details = c.found
	return e
}
