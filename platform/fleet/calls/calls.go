// Package calls reads how a service is to be called, the key "calls" of muster.yaml.
package calls

import (
	"fmt"
	"strings"

	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/strictyaml"
)

// Read reads the policies of one service. What a route does not say is as the service
// says it. Mistakes are recorded where they stand, and false returned.
func Read(n *strictyaml.Node) (s policy.Service, ok bool) {
	var balance, limits, routes *strictyaml.Node
	fields, err := fieldsOf(&s.Rule)
	if err != nil { // a type that no file can fill: a test would have found it
		n.Errorf("%v", err)
		return s, false
	}
	fields["balance"] = func(v *strictyaml.Node) { balance = v }
	fields["limits"] = func(v *strictyaml.Node) { limits = v }
	fields["routes"] = func(v *strictyaml.Node) { routes = v }
	if !n.Fields("the calls to a service", fields) {
		return s, false
	}
	if balance != nil {
		if err := balance.Decode(`"balance"`, &s.Balance); err != nil {
			balance.Errorf("%v", err)
		}
	}
	if limits != nil {
		if err := limits.Decode(`"limits"`, &s.Limits); err != nil {
			limits.Errorf("%v", err)
		}
	}
	if routes != nil {
		s.Routes = map[string]policy.Rule{}
		for _, p := range routes.Each("routes to how they are called") {
			rule := s.Rule.Clone()
			fields, err := fieldsOf(&rule)
			if err != nil {
				p.Value.Errorf("%v", err)
				return s, false
			}
			p.Value.Fields("a route", fields)
			s.Routes[p.Name] = rule
		}
	}
	if err := s.Validate(); err != nil {
		blame(n, routes, err)
		return s, false
	}
	return s, true
}

// blame records what is wrong: of a route where that stands, of the rest on one line.
func blame(n, routes *strictyaml.Node, err error) {
	e, ok := err.(*problem.Error) //nolint:errorlint // what Validate returns
	if !ok {
		n.Errorf("%v", err)
		return
	}
	at := map[string]strictyaml.Pair{}
	if routes != nil {
		for _, p := range routes.Pairs {
			at[fmt.Sprintf("%q", p.Name)] = p
		}
	}
	var rest []string
details:
	for _, d := range e.Details {
		for pattern, p := range at {
			field, ofRoute := strings.CutPrefix(d.Field, "routes."+pattern+".")
			switch {
			case ofRoute:
				p.Errorf("%s %s", field, d.Reason)
				continue details
			case d.Field == "routes" && strings.HasPrefix(d.Reason, pattern+" "):
				p.Errorf("%s", d.Reason)
				continue details
			}
		}
		rest = append(rest, d.Field+" "+d.Reason)
	}
	if len(rest) > 0 {
		n.Errorf("%s", strings.Join(rest, "; "))
	}
}

// fieldsOf are the keys of a rule. A policy may be switched off, and no value may be one
// that counts as another.
func fieldsOf(rule *policy.Rule) (strictyaml.Fields, error) {
	fields, err := strictyaml.FieldsOf(rule)
	for key, read := range fields {
		fields[key] = func(v *strictyaml.Node) {
			switch {
			case v.Kind != strictyaml.Scalar:
			case !policy.Off(key, v.Value):
			case key == "breaker":
				rule.Settings.Breaker = nil
				return
			case key == "bulkhead":
				rule.Settings.Bulkhead = nil
				return
			case key == "hedge":
				rule.Settings.Hedge = nil
				return
			case key == "fallback":
				rule.Settings.Fallback = nil
				return
			}
			read(v)
			truthful(key, v)
		}
	}
	return fields, err
}

// truthful records values that do not do what they say.
func truthful(key string, v *strictyaml.Node) {
	if v.Kind == strictyaml.Scalar {
		if why := policy.Silent(key, v.Value); why != "" {
			v.Errorf("%s %s", key, why)
		}
		return
	}
	for _, p := range v.Pairs {
		truthful(key+"."+p.Name, p.Value)
	}
}
