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
	var balance, routes *strictyaml.Node
	fields, err := strictyaml.FieldsOf(&s.Rule)
	if err != nil { // a type that no file can fill: a test would have found it
		n.Errorf("%v", err)
		return s, false
	}
	fields["balance"] = func(v *strictyaml.Node) { balance = v }
	fields["routes"] = func(v *strictyaml.Node) { routes = v }
	if !n.Fields("the calls to a service", fields) {
		return s, false
	}
	if balance != nil {
		if err := balance.Decode(`"balance"`, &s.Balance); err != nil {
			balance.Errorf("%v", err)
		}
	}
	if routes != nil {
		s.Routes = map[string]policy.Rule{}
		for _, p := range routes.Each("routes to how they are called") {
			rule := s.Rule.Clone()
			if err := p.Value.Decode("a route", &rule); err != nil {
				p.Errorf("%v", err)
			}
			s.Routes[p.Name] = rule
		}
	}
	if err := s.Validate(); err != nil {
		n.Errorf("%s", reasons(err))
		return s, false
	}
	return s, true
}

// reasons writes what is wrong on one line.
func reasons(err error) string {
	e, ok := err.(*problem.Error) //nolint:errorlint // what Validate returns
	if !ok {
		return err.Error()
	}
	var all []string
	for _, d := range e.Details {
		all = append(all, fmt.Sprintf("%s %s", d.Field, d.Reason))
	}
	return strings.Join(all, "; ")
}
