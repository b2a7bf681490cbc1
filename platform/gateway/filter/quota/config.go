package quota

import (
	"encoding/json"
	"fmt"
	"time"

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
	// DryRun refuses nobody: it is only counted who would be.
	DryRun bool `json:"dry_run"`
	// Keys is for how many keys each rule counts apart, 100,000 when not said. What more
	// there are share a few counts.
	Keys int `json:"keys"`
	// Shared has all gateways count together, in the store they share. What came within the
	// last half second others may not have seen yet: so much more may pass. An edge without a
	// broker counts alone, and says so in its log.
	Shared bool `json:"shared"`
	// File keeps the counts of a gateway that counts alone; "" is a file in the edge's state
	// folder. Without one a restart forgets them.
	File string `json:"file"`
}

// Rule is how much may be asked, by whom.
type Rule struct {
	Name  string   `json:"name"`  // in fields, metrics and what is kept; "" means quota, or rule-2 of several
	Count int64    `json:"count"` // 1 to a thousand billions
	Per   Period   `json:"per"`   // "hour", "day" or "month"
	By    keyed.By `json:"by"`    // who counts apart; missing: client
}

// Period is a time of the calendar, in UTC.
type Period string

// The periods there are.
const (
	Hour  Period = "hour"
	Day   Period = "day"
	Month Period = "month"
)

// Around returns the period's window that now is in: from begin to end, which is not in it.
func (p Period) Around(now time.Time) (begin, end time.Time) {
	now = now.UTC()
	y, m, d := now.Date()
	switch p {
	case Hour:
		begin = now.Truncate(time.Hour)
		return begin, begin.Add(time.Hour)
	case Month:
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC)
	default:
		return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), time.Date(y, m, d+1, 0, 0, 0, 0, time.UTC)
	}
}

const (
	maxKeys  = 10_000_000
	maxCount = 1e12
)

func parse(with json.RawMessage) (c Config, err error) {
	if err := filter.Decode(with, &c); err != nil {
		return c, err
	}
	var m filter.Mistakes
	list := len(c.Rules) > 0
	if one := c.Rule; list && (one.Name != "" || one.Count != 0 || one.Per != "") {
		m.Add("rules", "is given beside count, per or name: write one rule, or all of them in rules")
	}
	if !list {
		c.Rules = []Rule{c.Rule}
	}
	seen := map[string]bool{}
	for i := range c.Rules {
		r, at := &c.Rules[i], ""
		if list {
			at = fmt.Sprintf("rules[%d].", i)
		}
		r.check(&m, at)
		switch {
		case r.Name == "" && list:
			r.Name = fmt.Sprintf("rule-%d", i+1)
		case r.Name == "":
			r.Name = "quota"
		case !filter.ValidName(r.Name) || len(r.Name) > 60:
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
	if c.Shared && c.File != "" {
		m.Add("file", "is given beside shared: the counts are in the one or the other")
	}
	return c, m.Err()
}

func (r *Rule) check(m *filter.Mistakes, at string) {
	if r.Count < 1 || r.Count > maxCount {
		m.Add(at+"count", "must be from 1 to %d", int64(maxCount))
	}
	switch r.Per {
	case Hour, Day, Month:
	default:
		m.Add(at+"per", "must be hour, day or month, not %.20q", r.Per)
	}
}
