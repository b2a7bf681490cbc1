package load

import (
	"fmt"
	"time"

	"github.com/musterdev/muster/platform/load/value"
	"github.com/musterdev/muster/strictyaml"
)

// MaxFile bounds a plan's file, in bytes.
const MaxFile = 1 << 20

// Read reads a plan from YAML whose one key is load:
//
//	load:
//	  url: http://127.0.0.1:8080
//	  rate: 50/s
//	  for: 30s
//	  flow:
//	    - request: GET /v1/products
//	      capture: {sku: {json: "$.items[*].sku"}}
//	      think: 200ms
//	    - request: GET /v1/products/${sku}
//	  slo: {p99: 200ms, failed: 0.1%}
//
// file is its name in errors, each of which is a line with its place.
func Read(file string, data []byte) (Plan, error) {
	plan, err := Parse(file, data)
	if err != nil {
		return Plan{}, err
	}
	if err := plan.Validate(); err != nil {
		return Plan{}, fmt.Errorf("%s: %w", file, err)
	}
	return plan, nil
}

// Parse is Read for who completes the plan, with the URL that the file leaves out for
// example: the plan as a whole has still to pass Validate.
func Parse(file string, data []byte) (Plan, error) {
	var errs strictyaml.Collector
	var plan Plan
	if root := strictyaml.Parse(file, data, &errs); root != nil {
		read := root.Fields("a load", strictyaml.Fields{"load": func(n *strictyaml.Node) { plan = ReadNode(n) }})
		if read && !root.Has("load") {
			root.Errorf("there is no load here; write \"load:\" and below it url, rate, for and flow")
		}
	}
	if err := errs.Err(); err != nil {
		return Plan{}, err
	}
	return plan, nil
}

// ReadNode reads a plan where it stands within another file, its mistakes into the
// node's collector.
func ReadNode(n *strictyaml.Node) Plan {
	r := reader{}
	p := &r.plan
	var stage Stage
	var flows []func() // read last, as they speak of the variables
	n.Fields("a load", strictyaml.Fields{
		"url":       func(n *strictyaml.Node) { p.URL, _ = n.Word("a URL such as http://127.0.0.1:8080") },
		"rate":      func(n *strictyaml.Node) { unmarshal(n, &stage.Rate) },
		"for":       func(n *strictyaml.Node) { stage.For, _ = n.Duration(time.Millisecond, MaxFor) },
		"stages":    func(n *strictyaml.Node) { p.Stages = stages(n) },
		"arrivals":  func(n *strictyaml.Node) { unmarshal(n, &p.Arrivals) },
		"in-flight": func(n *strictyaml.Node) { p.InFlight, _ = n.Int(1, maxInFlight) },
		"timeout":   func(n *strictyaml.Node) { p.Timeout, _ = n.Duration(time.Millisecond, time.Hour) },
		"seed": func(n *strictyaml.Node) {
			if v, ok := n.Int(0, 1<<53); ok {
				p.Seed = uint64(v) //nolint:gosec // not negative
			}
		},
		"vars": r.vars,
		"slo":  func(n *strictyaml.Node) { decode(n, "an SLO", &p.SLO) },
		"flow": func(n *strictyaml.Node) {
			flows = append(flows, func() { p.Flows = append(p.Flows, Flow{Steps: r.steps(n)}) })
		},
		"flows": func(n *strictyaml.Node) { flows = append(flows, func() { r.flows(n) }) },
	})
	for _, read := range flows {
		read()
	}
	if n.Kind != strictyaml.Map {
		return *p
	}
	switch rated := n.Has("rate") || n.Has("for"); {
	case rated && n.Has("stages"):
		n.Errorf("it has rate or for and stages too; keep one of both")
	case !n.Has("stages") && (!n.Has("rate") || !n.Has("for")):
		n.Errorf("it does not say how many come: write \"rate: 50/s\" and \"for: 30s\", or stages of both")
	case rated:
		p.Stages = []Stage{stage}
	}
	if n.Has("flow") == n.Has("flows") {
		n.Errorf("it wants either flow, a list of requests, or flows, a mapping of names to flows")
	}
	return *p
}

type reader struct {
	plan Plan
}

// unmarshal reads a value that knows its own text.
func unmarshal(n *strictyaml.Node, v interface{ UnmarshalText(text []byte) error }) {
	if word, ok := n.Word("a text"); ok {
		if err := v.UnmarshalText([]byte(word)); err != nil {
			n.Errorf("%q: %v", n.Key, err)
		}
	}
}

// decode reads a mapping into a struct of this package.
func decode(n *strictyaml.Node, what string, v any) {
	if err := n.Decode(what, v); err != nil {
		n.Errorf("%v", err) // a mistake of this package, which its tests find
	}
}

// list returns a list's items; another node is an error.
func list(n *strictyaml.Node, want string) []*strictyaml.Node {
	if n.Kind != strictyaml.List {
		n.Wants(want)
		return nil
	}
	return n.Items
}

func stages(n *strictyaml.Node) (out []Stage) {
	for _, item := range list(n, "a list of stages such as {rate: 50/s, for: 10s} or {rate: 0/s, to: 50/s, for: 10s}") {
		var s Stage
		decode(item, "a stage", &s)
		if item.Kind == strictyaml.Map && (!item.Has("rate") || s.For <= 0) {
			item.Errorf("a stage wants a rate and, above 0, a duration: {rate: 50/s, for: 10s}")
		}
		out = append(out, s)
	}
	return out
}

func (r *reader) vars(n *strictyaml.Node) {
	r.plan.Vars = map[string][]string{}
	for _, pair := range n.Each("names to values, or to lists of which a visitor gets one") {
		if !value.ValidName(pair.Name) {
			pair.Errorf("%q is no name of a variable: use letters, digits and _, and not visit or unique", pair.Name)
			continue
		}
		for _, item := range pair.Value.OneOrMore() {
			if v, ok := item.Word("a text"); ok {
				r.plan.Vars[pair.Name] = append(r.plan.Vars[pair.Name], v)
			}
		}
		if pair.Value.Kind == strictyaml.List && len(pair.Value.Items) == 0 {
			pair.Errorf("the list %q is empty; give it a value", pair.Name)
		}
	}
}
