package bus

import (
	"slices"
	"strings"
)

// Normalized returns a subscription with its topics sorted, each once, and without
// those that another of them stands for, or what is wrong with it: [ErrInvalid], with
// the name of the field. Two patterns of which each stands for something that the
// other does not, and both for a third, are refused: brokers cannot tell whose it is.
// Drivers subscribe to what it returns.
func (s Subscription) Normalized() (Subscription, error) {
	if !validLabel(s.Group) {
		return s, invalid("group", "%.80q is no name of a group: use 1 to 63 characters of a-z, 0-9 and -, no - at either end", s.Group)
	}
	if len(s.Topics) == 0 {
		return s, invalid("topics", "there are none: subscribe to at least one")
	}
	for _, t := range s.Topics {
		if err := ValidPattern(t); err != nil {
			return s, invalid("topics", "%s", strings.TrimPrefix(err.Error(), "bus: "))
		}
	}
	all := slices.Compact(slices.Sorted(slices.Values(s.Topics)))
	s.Topics = slices.DeleteFunc(slices.Clone(all), func(t string) bool {
		return slices.ContainsFunc(all, func(p string) bool { return p != t && Matches(p, t) })
	})
	for i, a := range s.Topics {
		for _, b := range s.Topics[i+1:] {
			if overlap(a, b) {
				return s, invalid("topics", "%s and %s stand for the same topics in part: subscribe to one pattern that stands for all", a, b)
			}
		}
	}
	return s, nil
}

// overlap reports whether there is a topic that both patterns stand for.
func overlap(a, b string) bool {
	p, q := strings.Split(a, "."), strings.Split(b, ".")
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] && p[i] != "*" && q[i] != "*" {
			return false
		}
	}
	return true
}

func validLabel(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (i == 0 || c != '-') {
			return false
		}
	}
	return s != "" && len(s) <= 63 && !strings.HasSuffix(s, "-")
}
