package fleet

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/fleet/gate"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/route"
	"github.com/musterdev/muster/strictyaml"
)

// Route sends requests to a service.
type Route = route.Route

// Share is the part of a route's traffic that goes to one version.
type Share = route.Share

// Filter is a filter of the edge, which routes name.
type Filter = gate.Filter

// declareFilters reads the filters of the edge and its own routes. Those of an environment take
// the place of all that the file has.
func (l *loader) declareFilters(set func(func(*Fleet))) strictyaml.Fields {
	return strictyaml.Fields{
		"filters": func(n *strictyaml.Node) {
			list := gate.ReadFilters(n)
			set(func(t *Fleet) { t.Edge.Filters, t.places["edge.filters"] = list, n.Place })
		},
		"routes": func(n *strictyaml.Node) {
			var list []Route
			if !l.bounded(n, "routes", len(n.OneOrMore()), MaxWires) {
				return
			}
			for _, item := range n.OneOrMore() {
				if one, ok := route.ReadOwn(item); ok {
					list = append(list, one)
				}
			}
			set(func(t *Fleet) { t.Edge.Routes = list })
		},
		"apply": func(n *strictyaml.Node) {
			names := gate.ReadNames(n)
			set(func(t *Fleet) {
				t.Edge.Apply = names
				t.locate("edge.apply", n)
			})
		},
	}
}

// locate notes where a value of the edge stands, and all below it, in the place of what was
// noted of it before.
func (f *Fleet) locate(key string, n *strictyaml.Node) {
	maps.DeleteFunc(f.places, func(other string, _ Place) bool { return strings.HasPrefix(other, key) })
	n.Plain(func(path string, at Place) { f.places[gate.Join(key, path)] = at })
}

// EdgePlace returns where a value of the edge's document stands that is of no route, by its
// path there, such as "filters.login.with.issuer" or "apply[1]".
func (f *Fleet) EdgePlace(path string) Place {
	for _, filter := range f.Edge.Filters {
		rest, ok := strings.CutPrefix(path, "filters."+filter.Name)
		if ok && (rest == "" || rest[0] == '.') {
			return filter.Places.Of(strings.TrimPrefix(rest, "."))
		}
	}
	return gate.Places(f.places).Of("edge." + path)
}

// Routes returns the routing table: the routes of all services and of the edge itself, those
// of one host first, then those of a wildcard, then the longest path first, so that the first
// that matches is the right one. No two have the same host, path and conditions.
func (f *Fleet) Routes() []Route {
	all := slices.Clone(f.Edge.Routes)
	for _, s := range f.Services {
		all = append(all, s.Routes...)
	}
	slices.SortFunc(all, route.Compare)
	return all
}

// checkEdge finds routes of the edge itself that are taken, and filters that are named and are
// none: an environment may have others than the file.
func (l *loader) checkEdge(f *Fleet) {
	own := map[string]Route{}
	for _, r := range f.Edge.Routes {
		switch other, taken := own[identity(r)]; {
		case taken:
			l.errs.Add(r.Place.Errorf("route %q is already the edge's own at %s; remove one of the two", r, other.Place))
		case l.routes[identity(r)].Service != "":
			other = l.routes[identity(r)]
			l.errs.Add(r.Place.Errorf("route %q is already that of service %q at %s; remove one of the two", r, other.Service, other.Place))
		}
		own[identity(r)] = r
	}
	known := make([]string, len(f.Edge.Filters))
	for i, filter := range f.Edge.Filters {
		known[i] = filter.Name
	}
	check := func(name string, at Place) {
		if !slices.Contains(known, name) {
			among := ""
			if list, ok := f.places["edge.filters"]; ok {
				among = " among those at " + list.String()
			}
			l.errs.Add(at.Errorf("there is no filter %q%s%s", grammar.Short(name), among, strictyaml.SuggestOrList(name, known, "filters")))
		}
	}
	for i, name := range f.Edge.Apply {
		check(name, f.EdgePlace("apply["+strconv.Itoa(i)+"]"))
	}
	for _, r := range f.Routes() {
		for i, name := range r.Options.Filters {
			check(name, r.Options.Places.Of("filters["+strconv.Itoa(i)+"]"))
		}
	}
}

// identity is what no two routes share.
func identity(r Route) string { return strings.TrimSuffix(r.String(), "/") + " " + r.Options.When }
