package route

import (
	"slices"
	"strings"
)

// Table is a compiled set of routes. It never changes, so any number of goroutines
// may match against it while the edge takes the next one into use.
type Table struct {
	routes []Route // as they were given
	hosts  map[string]*node
	any    *node // of routes without a host; nil when there are none
}

// Target is a route as a Table found it. It must not be changed.
type Target struct {
	Route

	Label string // Route.Name, made once
	total uint64 // sum of the weights; 0 without versions
}

// node is a place in the tree of paths. Its key is one segment.
type node struct {
	next  map[string]*node
	here  *Target // answers this path and all below it
	below *Target // answers only what lies below it; before here
}

// New compiles routes. What is wrong with any of them is a detail of the one error,
// a *problem.Error with the code InvalidArgument.
func New(routes []Route) (*Table, error) {
	if err := check(routes); err != nil {
		return nil, err
	}
	t := &Table{routes: slices.Clone(routes), hosts: map[string]*node{}}
	for _, r := range routes {
		t.add(r)
	}
	return t, nil
}

func (t *Table) add(r Route) {
	r.Versions = slices.Clone(r.Versions)
	target := &Target{Route: r, Label: r.Name()}
	for _, s := range r.Versions {
		target.total += s.weight()
	}
	root := t.any
	if r.Host != "" {
		root = t.hosts[r.Host]
	}
	if root == nil {
		root = &node{}
		if r.Host == "" {
			t.any = root
		} else {
			t.hosts[r.Host] = root
		}
	}
	n := root
	for segment := range strings.SplitSeq(strings.Trim(r.Path, "/"), "/") {
		if segment == "" {
			break // the path is "/"
		}
		if n.next == nil {
			n.next = map[string]*node{}
		}
		if n.next[segment] == nil {
			n.next[segment] = &node{}
		}
		n = n.next[segment]
	}
	if r.GRPC {
		n.below = target
	} else {
		n.here = target
	}
}

// Match returns the route of a request, nil when there is none: of those for the
// host the one with the longest path, else of those for any host. Both arguments
// are canonical, see [CanonicalHost] and [CanonicalPath]. It does not allocate.
func (t *Table) Match(host, path string) *Target {
	if path == "" || path[0] != '/' {
		return nil
	}
	if host != "" {
		if found := t.hosts[host].match(path); found != nil {
			return found
		}
	}
	return t.any.match(path)
}

func (n *node) match(path string) *Target {
	if n == nil {
		return nil
	}
	best := n.here
	for rest, more := path[1:], true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if n = n.next[segment]; n == nil {
			break
		}
		if n.here != nil {
			best = n.here
		}
		if more && n.below != nil {
			best = n.below
		}
	}
	return best
}

// Routes returns the routes the table was made of, in their order.
func (t *Table) Routes() []Route { return slices.Clone(t.routes) }

// Services returns the names of the services routed to, sorted.
func (t *Table) Services() []string {
	var names []string
	for _, r := range t.routes {
		names = append(names, r.Service)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Version returns the version that serves one request, "" for any, from a number
// drawn evenly from all uint64: so the versions get their shares.
func (t *Target) Version(drawn uint64) string {
	if t.total == 0 {
		return ""
	}
	n := drawn % t.total
	for _, s := range t.Versions {
		if n < s.weight() {
			return s.Version
		}
		n -= s.weight()
	}
	return ""
}
