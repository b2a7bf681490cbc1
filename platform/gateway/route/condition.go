package route

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// text is a condition in the name of a route.
func (c Condition) text() string {
	switch {
	case c.Value != "":
		return c.Name + "=" + c.Value
	case c.Prefix != "":
		return c.Name + "=" + c.Prefix + "*"
	case c.Pattern != "":
		return c.Name + "~" + c.Pattern
	case c.Present != nil && !*c.Present:
		return "!" + c.Name
	}
	return c.Name
}

// condition is one that was compiled.
type condition struct {
	Condition

	pattern *regexp.Regexp // of the whole value; nil: no Pattern
}

func newConditions(list []Condition) []condition {
	var out []condition
	for _, c := range list {
		n := condition{Condition: c}
		if c.Pattern != "" {
			n.pattern = regexp.MustCompile("^(?:" + c.Pattern + ")$") // check has compiled it before
		}
		out = append(out, n)
	}
	return out
}

// allows reports whether a value is what the condition asks for.
func (c *condition) allows(value string) bool {
	switch {
	case c.Value != "":
		return value == c.Value
	case c.Prefix != "":
		return strings.HasPrefix(value, c.Prefix)
	case c.pattern != nil:
		return c.pattern.MatchString(value)
	}
	return true
}

// met reports whether the condition holds, given whether a value was there, and one was allowed.
func (c *condition) met(there, allowed bool) bool {
	if c.Present != nil {
		return there == *c.Present
	}
	return allowed
}

func (c *condition) header(fields filter.Fields) bool {
	there, allowed := false, false
	fields.Each(func(name, value string) bool {
		if strings.EqualFold(name, c.Name) {
			there = true
			allowed = allowed || c.allows(value)
		}
		return !allowed
	})
	return c.met(there, allowed)
}

// query looks through the parameters as net/url would read them; what it cannot read is
// not there.
func (c *condition) query(query string) bool {
	there, allowed := false, false
	for pair := range strings.SplitSeq(query, "&") {
		if pair == "" || strings.Contains(pair, ";") {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		if key != c.Name {
			if !strings.ContainsAny(key, "%+") {
				continue
			}
			if key, err := url.QueryUnescape(key); err != nil || key != c.Name {
				continue
			}
		}
		value, err := url.QueryUnescape(value)
		if err != nil {
			continue
		}
		there = true
		allowed = allowed || c.allows(value)
	}
	return c.met(there, allowed)
}
