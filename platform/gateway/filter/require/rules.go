// Package require asks for scopes and claims of whoever a filter before it found out:
//
//	{"kind": "require", "with": {"scopes": ["orders.write"], "claims": {"realm_access.roles": ["admin", "ops"]}}}
package require

import (
	"maps"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// Rules are what a subject must have. The zero value asks for nothing.
type Rules struct {
	// Scopes it must have, all of them.
	Scopes []string `json:"scopes,omitempty"`
	// Claims it must have: of each one value of those listed. Where no claim has such a name
	// dots lead into objects: "realm_access.roles".
	Claims map[string][]string `json:"claims,omitempty"`
}

// Lister is what [filter.Claims] may be besides: it knows claims that are lists.
type Lister interface {
	// Values returns the texts of a claim: one, or those of a list.
	Values(name string) []string
}

// Check notes what is wrong with the rules.
func (r *Rules) Check(m *filter.Mistakes) {
	for i, s := range r.Scopes {
		if !Scope(s) {
			m.Add("scopes", "%d: %q is not a scope: it is one or more visible characters without \" and \\", i, s)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.Claims)) {
		if name == "" || len(r.Claims[name]) == 0 {
			m.Add("claims", "%q: it needs a name, and one value at least", name)
		}
	}
}

// Scope reports whether a text is one scope (RFC 6749, 3.3).
func Scope(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return s != ""
}

// Judge returns nil when the subject has what is asked for, else a *problem.Error,
// PermissionDenied, that says what is missing.
func (r *Rules) Judge(s *filter.Subject) error {
	if missing := r.missing(s.Scopes); missing != "" {
		return problem.New(problem.PermissionDenied, "scopes are missing: %s", missing)
	}
	for name, wanted := range r.Claims {
		if !slices.ContainsFunc(values(s.Claims, name), func(v string) bool { return slices.Contains(wanted, v) }) {
			return problem.New(problem.PermissionDenied, "what is known of you does not allow this: claim %q", name)
		}
	}
	return nil
}

// Needs returns the scopes asked for, as a challenge names them.
func (r *Rules) Needs() string { return strings.Join(r.Scopes, " ") }

// Lacks reports whether it is a scope that the subject is refused for.
func (r *Rules) Lacks(s *filter.Subject) bool { return r.missing(s.Scopes) != "" }

func (r *Rules) missing(have []string) string {
	var missing []string
	for _, s := range r.Scopes {
		if !slices.Contains(have, s) {
			missing = append(missing, s)
		}
	}
	return strings.Join(missing, " ")
}

func values(claims filter.Claims, name string) []string {
	if claims == nil {
		return nil
	}
	if l, ok := claims.(Lister); ok {
		return l.Values(name)
	}
	if v := claims.Claim(name); v != "" {
		return []string{v}
	}
	return nil
}
