// Package gate reads what the edge does with requests beside passing them on: its filters,
// the key "edge.filters" of a muster.yaml, and the conditions and options of a route. What
// they mean is the gateway's to say: here they are brought into the form of its document,
// and where each value stands is kept, for the mistakes that it finds.
package gate

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// Places are where values stand, by their path in the document, such as "sticky.cookie"; ""
// is the whole.
type Places map[string]strictyaml.Place

// Of returns where the value of a path stands, or what it is part of.
func (p Places) Of(path string) strictyaml.Place {
	for {
		if at, ok := p[path]; ok || path == "" {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}

// Filter is a filter of the edge.
type Filter struct {
	Name   string
	Kind   string
	With   string // what the kind is told, as JSON
	Places Places // of With
}

// Same reports whether two filters are the same, wherever they are written.
func (f Filter) Same(other Filter) bool {
	return f.Name == other.Name && f.Kind == other.Kind && f.With == other.With
}

// MaxFilters bounds the filters of a fleet.
const MaxFilters = 1000

// ReadFilters reads filters: a mapping of names to kinds.
func ReadFilters(n *strictyaml.Node) (list []Filter) {
	pairs := n.Each("names of filters to what they are, such as \"login: {jwt: {…}}\"")
	if len(pairs) > MaxFilters {
		n.Errorf("%d filters are more than the %d an edge can have", len(pairs), MaxFilters)
		return nil
	}
	for _, p := range pairs {
		if !reading.Key(p, grammar.Label) {
			continue
		}
		if p.Value.Kind != strictyaml.Map || len(p.Value.Pairs) != 1 {
			p.Value.Errorf("a filter has one kind, such as {jwt: {…}}")
			continue
		}
		kind := p.Value.Pairs[0]
		f := Filter{Name: p.Name, Kind: kind.Name, Places: Places{"": p.Place}}
		with := kind.Value.Plain(func(path string, at strictyaml.Place) { f.Places[Join("with", path)] = at })
		f.Places["kind"] = kind.Place
		switch with.(type) {
		case nil:
			f.With = "{}"
		case map[string]any:
			f.With = text(with)
		default:
			kind.Value.Errorf("a filter of the kind %s is told what to do by a mapping", grammar.Short(kind.Name))
			continue
		}
		list = append(list, f)
	}
	return list
}

// ReadNames reads the names of filters: one or a list.
func ReadNames(n *strictyaml.Node) (names []string) {
	for _, item := range n.OneOrMore() {
		if name, ok := reading.Text(item, "the name of a filter of the edge, or a list of them", grammar.Label); ok {
			names = append(names, name)
		}
	}
	return names
}

// Options are what a route asks of a request, and does with it.
type Options struct {
	When string // what it asks for, as JSON, the same for routes that ask for the same; "" nothing
	All  string // the members of a route of the gateway's document that it has, When's among them, as JSON; "" none
	// Filters are the names of the filters that it names, as All has them.
	Filters []string
	Places  Places // of All
}

// conditions are the keys by which routes of the same path are told apart.
var conditions = []string{"exact", "methods", "headers", "query"}

// Reader reads the options of a route: Fields are its keys beside those a caller has, and
// Options what was read.
type Reader struct {
	all    map[string]any
	names  []string // of filters
	places Places
}

// Fields returns the keys.
func (r *Reader) Fields() strictyaml.Fields {
	r.all, r.places = map[string]any{}, Places{}
	f := strictyaml.Fields{
		"methods": func(n *strictyaml.Node) {
			if len(n.OneOrMore()) == 0 {
				n.Errorf("there is no method in the list; name some, or remove it for all")
			}
			r.list("methods", n)
		},
		"filters": r.filters,
		"headers": func(n *strictyaml.Node) { r.conditions("headers", n) },
		"query":   func(n *strictyaml.Node) { r.conditions("query", n) },
		"mirror":  r.mirror,
	}
	for _, key := range []string{"exact", "max_body", "sticky", "rewrite", "redirect", "deprecated"} {
		f[key] = func(n *strictyaml.Node) { r.set(key, n.Plain(r.at(key))) }
	}
	return f
}

// Options returns what was read, placed where the route stands.
func (r *Reader) Options(route strictyaml.Place) Options {
	if len(r.all) == 0 {
		return Options{}
	}
	when := map[string]any{}
	for _, key := range conditions {
		if v, ok := r.all[key]; ok && v != false {
			when[key] = v
		}
	}
	r.places[""] = route
	o := Options{All: text(r.all), Filters: r.names, Places: r.places}
	if len(when) > 0 {
		o.When = text(when)
	}
	return o
}

func (r *Reader) set(key string, v any) { r.all[key] = v }

func (r *Reader) at(below string) func(string, strictyaml.Place) {
	return func(path string, at strictyaml.Place) { r.places[Join(below, path)] = at }
}

// list reads one text or a list of them.
func (r *Reader) list(key string, n *strictyaml.Node) {
	v := n.Plain(r.at(key))
	if n.Kind != strictyaml.List {
		v = []any{v}
	}
	r.set(key, v)
}

func (r *Reader) filters(n *strictyaml.Node) {
	r.list("filters", n)
	r.names = ReadNames(n)
}

// conditions reads a mapping of names to what the values must be: a text, or one of value,
// prefix, pattern and present. A number is meant as it is written.
func (r *Reader) conditions(key string, n *strictyaml.Node) {
	list := []any{}
	for i, p := range n.Each("names to what the value must be") {
		at := key + "[" + strconv.Itoa(i) + "]"
		c := map[string]any{}
		switch v := p.Value.Plain(r.at(at)).(type) {
		case map[string]any:
			c = v
			for _, q := range p.Value.Pairs {
				if q.Name != "present" && q.Value.Kind == strictyaml.Scalar {
					c[q.Name] = q.Value.Value
				}
			}
		case nil:
		default:
			c["value"] = p.Value.Value
		}
		c["name"] = p.Name
		r.places[at] = p.Place
		list = append(list, c)
	}
	r.set(key, list)
}

// mirror reads the name of a service, or a mapping.
func (r *Reader) mirror(n *strictyaml.Node) {
	v := n.Plain(r.at("mirror"))
	if name, ok := v.(string); ok {
		v = map[string]any{"service": name}
	}
	r.set("mirror", v)
}

// Join returns the path of a value from that of what it is part of and its own below there.
func Join(below, path string) string {
	if path == "" || path[0] == '[' {
		return below + path
	}
	return below + "." + path
}

// text writes what Plain returned; its keys are sorted.
func text(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return "null" // it cannot fail: Plain makes nothing else than JSON has
	}
	return string(data)
}
