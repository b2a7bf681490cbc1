package load

import (
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/load/value"
	"github.com/musterdev/muster/strictyaml"
)

func (r *reader) flows(n *strictyaml.Node) {
	for _, pair := range n.Each("names to flows") {
		f := Flow{Name: pair.Name}
		known := pair.Value.Fields("a flow", strictyaml.Fields{
			"weight":   func(n *strictyaml.Node) { f.Weight, _ = n.Int(1, 1_000_000) },
			"priority": func(n *strictyaml.Node) { f.Priority = priority(n) },
			"headers":  func(n *strictyaml.Node) { f.Headers = r.headers(n, nil) },
			"steps":    func(n *strictyaml.Node) { f.Steps = r.steps(n) },
		})
		if known && !pair.Value.Has("steps") {
			pair.Errorf("the flow %q has no steps; give it at least one request", pair.Name)
		}
		r.plan.Flows = append(r.plan.Flows, f)
	}
}

// steps reads requests in their order, each with the values captured before.
func (r *reader) steps(n *strictyaml.Node) (out []Step) {
	captured := []string{}
	for _, item := range list(n, "a list of requests such as {request: GET /v1/products}") {
		out = append(out, r.step(item, &captured))
	}
	if n.Kind == strictyaml.List && len(n.Items) == 0 {
		n.Errorf("%q is empty; give it at least one request", n.Key)
	}
	return out
}

func (r *reader) step(n *strictyaml.Node, captured *[]string) (s Step) {
	var catches []func() // a step does not see what it captures itself
	known := n.Fields("a step", strictyaml.Fields{
		"name":     func(n *strictyaml.Node) { s.Name, _ = n.Word("a name") },
		"request":  func(n *strictyaml.Node) { s.Method, s.Path = r.request(n, *captured) },
		"headers":  func(n *strictyaml.Node) { s.Headers = r.headers(n, *captured) },
		"body":     func(n *strictyaml.Node) { s.Body = r.template(n, *captured) },
		"think":    func(n *strictyaml.Node) { s.Think, _ = n.Duration(0, time.Hour) },
		"timeout":  func(n *strictyaml.Node) { s.Timeout, _ = n.Duration(time.Millisecond, time.Hour) },
		"priority": func(n *strictyaml.Node) { s.Priority = priority(n) },
		"status": func(n *strictyaml.Node) {
			for _, item := range n.OneOrMore() {
				if code, ok := item.Int(100, 599); ok {
					s.Status = append(s.Status, code)
				}
			}
		},
		"capture": func(n *strictyaml.Node) {
			catches = append(catches, func() { s.Capture = captures(n, captured) })
		},
	})
	for _, read := range catches {
		read()
	}
	if known && !n.Has("request") {
		n.Errorf("a step wants a request such as \"request: GET /v1/products\"")
	}
	return s
}

func captures(n *strictyaml.Node, captured *[]string) map[string]Capture {
	out := map[string]Capture{}
	for _, pair := range n.Each("names to where their values stand") {
		if !value.ValidName(pair.Name) {
			pair.Errorf("%q is no name of a variable: use letters, digits and _, and not visit or unique", pair.Name)
			continue
		}
		var c Capture
		decode(pair.Value, "a capture", &c)
		if pair.Value.Kind == strictyaml.Map && len(pair.Value.Pairs) > 0 {
			if _, err := c.Compile(); err != nil {
				pair.Value.Errorf("%v", err)
			}
		} else if pair.Value.Kind == strictyaml.Map {
			pair.Value.Errorf("a capture has exactly one of json, header and regexp")
		}
		out[pair.Name] = c
		*captured = append(*captured, pair.Name)
	}
	return out
}

// request reads "POST /v1/carts", or a path alone.
func (r *reader) request(n *strictyaml.Node, captured []string) (method, path string) {
	line := r.template(n, captured)
	method, path, found := strings.Cut(line, " ")
	if !found {
		method, path = "", line
	}
	path = strings.TrimSpace(path)
	if line != "" && (method != "" && !token(method) || !strings.HasPrefix(path, "/") && !wholeURL(path)) {
		n.Errorf("%q wants a method and a path, such as GET /v1/products; found %.60q", n.Key, line)
	}
	return method, path
}

func (r *reader) headers(n *strictyaml.Node, captured []string) map[string]string {
	out := map[string]string{}
	for _, pair := range n.Each("names of headers to their values") {
		if !token(pair.Name) {
			pair.Errorf("%.60q is no name of a header", pair.Name)
			continue
		}
		out[pair.Name] = r.template(pair.Value, captured)
	}
	return out
}

// template reads a text and wants its variables to be known by then. Headers of a whole
// flow may name what its steps capture later, which only the run can tell.
func (r *reader) template(n *strictyaml.Node, captured []string) string {
	s, ok := n.Word("a text")
	if !ok {
		return ""
	}
	t, err := value.Parse(s)
	if err != nil {
		n.Errorf("%q: %v", n.Key, err)
		return ""
	}
	if captured == nil {
		return s
	}
	for _, name := range t.Names() {
		if name == value.Visit || name == value.Unique || slices.Contains(captured, name) || r.plan.Vars[name] != nil {
			continue
		}
		known := slices.Clone(captured)
		for v := range r.plan.Vars {
			known = append(known, v)
		}
		slices.Sort(known)
		hint := strictyaml.Suggest(name, known)
		if hint == "" {
			hint = "; it must be in vars, or captured by a step before"
		}
		n.Errorf("%q: ${%s} has no value here%s", n.Key, name, hint)
	}
	return s
}

func priority(n *strictyaml.Node) *resilience.Priority {
	var p resilience.Priority
	unmarshal(n, &p)
	return &p
}
