// Package policy says how a service is to be called: by default, and by some of its
// routes. Whoever runs the service says it once, in muster.yaml; the registry hands the
// text to all callers, and each makes a [Table] of it.
package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/quota"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Rule is how calls are made: all to a service, or those by one route.
type Rule struct {
	Settings resilience.Settings `yaml:",inline" json:"settings,omitzero"`
	// Priority is what a request has that enters the fleet by this route; nil means
	// normal. Calls between services have that of the request they are made for.
	Priority *resilience.Priority `yaml:"priority" json:"priority,omitempty"`
}

// Clone returns a copy that shares nothing with r.
func (r Rule) Clone() Rule {
	r.Settings = r.Settings.Clone()
	if r.Priority != nil {
		p := *r.Priority
		r.Priority = &p
	}
	return r
}

// Balance says how the instance is chosen.
type Balance struct {
	Policy balance.Policy `yaml:"policy" json:"policy,omitempty"` // the zero value is peak-ewma
	// By is the header, or the gRPC metadata key, whose value keeps calls together: those
	// with the same value go to the same instance. It needs the policy hash or maglev.
	By string `yaml:"by" json:"by,omitempty"`
}

// Service is how one service is called. The zero value is the safe default.
type Service struct {
	Rule

	Balance Balance `json:"balance,omitzero"`
	// Limits are how much each caller may ask. The service's own door keeps to them.
	Limits quota.Limits `json:"limits,omitzero"`
	// Routes are rules in place of the service's own, by a pattern as http.ServeMux has
	// them, such as "GET /v1/products/{id}" or "/v1/products/"; a gRPC method is
	// "/shop.stock.v1.Stock/Reserve". Of several that match the most specific counts.
	Routes map[string]Rule `json:"routes,omitempty"`
}

// Validate returns an *problem.Error (invalid_argument) with a detail for each value
// that is not possible, or nil.
func (s Service) Validate() error {
	var found []problem.Detail
	add := func(path string, err error) {
		e := &problem.Error{}
		if err == nil {
			return
		}
		if p, ok := err.(*problem.Error); ok { //nolint:errorlint // what Settings.Validate returns
			e = p
		}
		for _, d := range e.Details {
			found = append(found, problem.Detail{Field: path + d.Field, Reason: d.Reason})
		}
	}
	add("", s.Settings.Validate())
	for _, pattern := range slices.Sorted(maps.Keys(s.Routes)) {
		rule := s.Routes[pattern]
		add(fmt.Sprintf("routes.%q.", pattern), rule.Settings.Validate())
		if why := unanswered(pattern); why != "" && rule.Settings.Fallback != nil && !same(rule.Settings.Fallback, s.Settings.Fallback) {
			found = append(found, problem.Detail{Field: fmt.Sprintf("routes.%q.fallback", pattern), Reason: why})
		}
	}
	add("limits.", s.Limits.Validate())
	hashed := s.Balance.Policy == balance.Hash || s.Balance.Policy == balance.Maglev
	switch {
	case hashed && s.Balance.By == "":
		found = append(found, problem.Detail{Field: "balance.by", Reason: fmt.Sprintf("is missing: %s needs the header whose value keeps calls together", s.Balance.Policy)})
	case hashed && !headerName(s.Balance.By):
		found = append(found, problem.Detail{Field: "balance.by", Reason: fmt.Sprintf("is %q, which is no name of a header, such as X-Cart", s.Balance.By)})
	case !hashed && s.Balance.By != "":
		found = append(found, problem.Detail{Field: "balance.by", Reason: "does nothing with the policy " + s.Balance.Policy.String() + "; set policy to hash or maglev"})
	}
	if _, err := newMatcher(slices.Sorted(maps.Keys(s.Routes))); err != nil {
		found = append(found, problem.Detail{Field: "routes", Reason: err.Error()})
	}
	if len(found) == 0 {
		return nil
	}
	e := problem.New(problem.InvalidArgument, "the policies of calls to a service cannot be used as they are set")
	e.Details = found
	return e
}

// same reports whether a route has its service's fallback.
func same(a, b *resilience.FallbackSettings) bool { return b != nil && *a == *b }

// Table finds the rule of a call. It does not change and is safe for concurrent use.
type Table struct {
	service Service
	match   *http.ServeMux // nil without routes
}

// NewTable returns the table of policies, which must be valid.
func NewTable(s Service) (*Table, error) {
	t := &Table{service: s}
	if len(s.Routes) == 0 {
		return t, nil
	}
	var err error
	t.match, err = newMatcher(slices.Sorted(maps.Keys(s.Routes)))
	return t, err
}

// Balance returns how the instance is chosen.
func (t *Table) Balance() Balance { return t.service.Balance }

// Rule returns the rule of a route that Route returned, that of the service for "".
func (t *Table) Rule(route string) Rule {
	if r, ok := t.service.Routes[route]; ok {
		return r
	}
	return t.service.Rule
}

// Routes returns the patterns, sorted.
func (t *Table) Routes() []string { return slices.Sorted(maps.Keys(t.service.Routes)) }

// Route returns the pattern that a call matches, "" when none does. name is a method and
// a path, "GET /v1/products/7", or that of a gRPC method.
func (t *Table) Route(name string) string {
	if t.match == nil {
		return ""
	}
	method, path, ok := strings.Cut(name, " ")
	if !ok {
		method, path = http.MethodPost, name
	}
	_, pattern := t.match.Handler(&http.Request{Method: cmp.Or(method, http.MethodGet), URL: &url.URL{Path: path}, Host: "-"})
	return pattern
}
