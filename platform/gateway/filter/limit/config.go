package limit

import (
	"encoding/json"
	"fmt"

	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/keyed"
)

// Config is what the kind is told: one rule, or several in rules.
type Config struct {
	Rule

	Rules []Rule `json:"rules"`
	// Tell has the answers of requests that pass say in RateLimit what is left; else only
	// those do that are refused.
	Tell bool `json:"tell"`
	// DryRun refuses nobody: it is only counted and logged who would be.
	DryRun bool `json:"dry_run"`
	// Keys is for how many keys each rule counts apart, 100,000 when not said. What more
	// there are share a few counts, and so are refused sooner.
	Keys int `json:"keys"`
	// Shared has the limit hold for all gateways together. An edge without a broker holds it
	// alone, and says so in its log: that is what a single one is.
	Shared *Sharing `json:"shared"`
}

// Rule is how much may be asked, by whom.
type Rule struct {
	Name string     `json:"name"` // in fields and metrics; "" means limit, or rule-2 of several
	Rate quota.Rate `json:"rate"` // "100/s", "30/m burst 5"
	By   keyed.By   `json:"by"`   // who counts apart; missing: client
}

// Sharing says how gateways share a limit. In any time t all of them together let through
// at most the rate times t + 2 s, and two bursts, as long as their clocks agree: each uses
// its part of the rate without asking, books that within half a second, and leases what is
// left for a second at a time. While the store is away each keeps to its part.
type Sharing struct {
	// Gateways is of how many this one takes itself to be until it has once reached the
	// store; 0 means 2.
	Gateways int `json:"gateways"`
}

const maxKeys = 10_000_000

// parse reads a Config and checks it.
func parse(with json.RawMessage) (c Config, err error) {
	if err := filter.Decode(with, &c); err != nil {
		return c, err
	}
	var m filter.Mistakes
	rules := c.Rules
	switch one := c.Rule; {
	case len(rules) > 0 && (one.Rate.Limited() || one.Name != "" || one.By.String() != (keyed.By{}).String()):
		m.Add("rules", "is given beside rate, by or name: write one rule, or all of them in rules")
	case len(rules) == 0 && !one.Rate.Limited():
		m.Add("rate", "is missing: write how much may be asked, such as \"100/s\" or \"30/m burst 5\"")
	case len(rules) == 0:
		rules = []Rule{one}
	}
	seen := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		at := fmt.Sprintf("rules[%d].", i)
		if !r.Rate.Limited() && len(c.Rules) > 0 {
			m.Add(at+"rate", "is missing: write how much may be asked, such as \"100/s\"")
		}
		if r.Name == "" && len(c.Rules) > 0 {
			r.Name = fmt.Sprintf("rule-%d", i+1)
		} else if r.Name == "" {
			r.Name = "limit"
		}
		if !filter.ValidName(r.Name) || len(r.Name) > 60 {
			m.Add(at+"name", "%.60q is not a name: write letters, digits and dashes", r.Name)
		}
		if seen[r.Name] {
			m.Add(at+"name", "%q is the name of another rule", r.Name)
		}
		seen[r.Name] = true
	}
	if c.Keys < 0 || c.Keys > maxKeys {
		m.Add("keys", "must be from 1 to %d", maxKeys)
	}
	if c.Shared != nil && (c.Shared.Gateways < 0 || c.Shared.Gateways > 1000) {
		m.Add("shared.gateways", "must be from 1 to 1000")
	}
	c.Rules = rules
	return c, m.Err()
}
