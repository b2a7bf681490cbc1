package route

import (
	"cmp"
	"math/bits"
	"net/http"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/gateway/filter"
)

// Table is a compiled set of routes. It never changes, so any number of goroutines
// may match against it while the edge takes the next one into use.
type Table struct {
	routes []Route // as they were given
	hosts  map[string]*node
	below  *zone // of routes whose host has a wildcard; nil when there are none
	any    *node // of routes without a host; nil when there are none
}

// Target is a route as a Table found it. It must not be changed.
type Target struct {
	Route

	Label string // Route.Name, made once
	Index int    // of the route in its table

	total   uint64 // sum of the weights; 0 without versions
	calls   map[string]string
	headers []condition
	query   []condition
	rewrite rewriting
}

// node is a place in the tree of paths. Its key is one segment.
type node struct {
	next  map[string]*node
	exact []*Target // answer only this path; before here
	here  []*Target // answer this path and all below it
	below []*Target // answer only what lies below it; before here
}

// New compiles routes. What is wrong with any of them is a detail of the one error,
// a *problem.Error with the code InvalidArgument.
func New(routes []Route) (*Table, error) {
	if err := check(routes); err != nil {
		return nil, err
	}
	t := &Table{routes: slices.Clone(routes), hosts: map[string]*node{}}
	for i, r := range routes {
		t.add(NewTarget(i, r))
	}
	if err := t.circles(); err != nil {
		return nil, err
	}
	return t, nil
}

// NewTarget compiles one route that New would take. It is of no table.
func NewTarget(index int, r Route) *Target {
	r.Versions = slices.Clone(r.Versions)
	t := &Target{
		Route: r, Label: r.Name(), Index: index,
		calls: make(map[string]string, len(methods)), headers: newConditions(r.Headers), query: newConditions(r.Query), rewrite: newRewriting(r),
	}
	for _, m := range methods {
		t.calls[m] = m + " " + r.Path
	}
	for _, s := range r.Versions {
		t.total += s.weight()
	}
	return t
}

func (t *Table) add(target *Target) {
	n := t.root(target.Host)
	for segment := range strings.SplitSeq(strings.Trim(target.Path, "/"), "/") {
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
	list := &n.here
	switch {
	case target.GRPC:
		list = &n.below
	case target.Exact:
		list = &n.exact
	}
	*list = append(*list, target)
	slices.SortStableFunc(*list, func(a, b *Target) int { return cmp.Compare(b.conditions(), a.conditions()) })
}

// conditions counts what a route asks of a request beside its host and path.
func (t *Target) conditions() int {
	n := len(t.headers) + len(t.query)
	if len(t.Methods) > 0 {
		n++
	}
	return n
}

// Ask is what of a request decides on its route.
type Ask struct {
	Host, Path string        // canonical, see [CanonicalHost] and [CanonicalPath]
	Method     string        // "" any
	Query      string        // as it came, without "?"
	Fields     filter.Fields // nil: none

	// Doubtful is set by Find where a segment has a parameter ("/orders;x") and a route has the
	// segment without: some programs take the two for the same, and the route's filters are not to
	// be walked round by it.
	Doubtful bool

	missed   bool // a route took all but the method
	collects bool // the methods that it would have taken
	allow    []string
}

// Find returns the route of a request, nil when there is none: of those for the host, else
// of those for a wildcard, the longest domain first, else of those for any host, the one with
// the longest path; of those the one with the most conditions, else the first. allow is why
// there is none: the methods that the request could have had. It does not allocate where it
// finds one by no condition on the query.
func (t *Table) Find(a *Ask) (found *Target, allow []string) {
	if a.Path == "" || a.Path[0] != '/' {
		return nil, nil
	}
	if found = t.find(a); found != nil || !a.missed {
		return found, nil
	}
	again := *a
	again.collects = true
	t.find(&again)
	if slices.Contains(again.allow, "GET") {
		again.allow = append(again.allow, "HEAD")
	}
	slices.Sort(again.allow)
	return nil, slices.Compact(again.allow)
}

func (t *Table) find(a *Ask) *Target {
	if a.Host != "" {
		if found := t.hosts[a.Host].find(a, a.Path[1:], true); found != nil {
			return found
		}
		if found := t.below.find(a, a.Host); found != nil {
			return found
		}
	}
	return t.any.find(a, a.Path[1:], true)
}

// Match is Find for a request of which nothing is known but host and path: the route of
// the longest path that has no other condition.
func (t *Table) Match(host, path string) *Target {
	found, _ := t.Find(&Ask{Host: host, Path: path})
	return found
}

// find looks at what lies below the node first. rest is what of the path follows the node's
// slash; more is whether there is one.
func (n *node) find(a *Ask, rest string, more bool) *Target {
	if n == nil {
		return nil
	}
	if more && n.next != nil {
		segment, tail, deeper := strings.Cut(rest, "/")
		next := n.next[segment]
		if next == nil {
			a.doubt(n, segment)
		}
		if found := next.find(a, tail, deeper); found != nil {
			return found
		}
	}
	if len(n.exact) > 0 {
		if found := choose(n.exact, a); found != nil {
			return found
		}
	}
	if more && len(n.below) > 0 {
		if found := choose(n.below, a); found != nil {
			return found
		}
	}
	return choose(n.here, a)
}

// doubt notes a segment that is one of the node's but for a parameter.
func (a *Ask) doubt(n *node, segment string) {
	if name, _, has := strings.Cut(segment, ";"); has && n.next[name] != nil {
		a.Doubtful = true
	}
}

// choose returns the first that takes the request.
func choose(list []*Target, a *Ask) *Target {
	for _, t := range list {
		if t.Exact && t.Path != a.Path || !t.conditional(a) {
			continue
		}
		if t.takes(a) {
			return t
		}
		a.missed = true
		if a.collects {
			a.allow = append(a.allow, t.Methods...)
		}
	}
	return nil
}

// conditional reports whether header and query are as the route wants them.
func (t *Target) conditional(a *Ask) bool {
	if len(t.headers)+len(t.query) == 0 {
		return true
	}
	if a.Fields == nil && len(t.headers) > 0 {
		a.Fields = &filter.Header{}
	}
	for i := range t.headers {
		if !t.headers[i].header(a.Fields) {
			return false
		}
	}
	for i := range t.query {
		if !t.query[i].query(a.Query) {
			return false
		}
	}
	return true
}

// takes reports whether the route takes the method of a request. A preflight of CORS is
// about another one, and goes where that would.
func (t *Target) takes(a *Ask) bool {
	if len(t.Methods) == 0 || slices.Contains(t.Methods, a.Method) {
		return true
	}
	switch a.Method {
	case http.MethodHead:
		return slices.Contains(t.Methods, "GET")
	case http.MethodOptions:
		return a.Fields != nil && a.Fields.Get("Origin") != "" && slices.Contains(t.Methods, a.Fields.Get("Access-Control-Request-Method"))
	}
	return false
}

// methods are those whose calls have a name ready.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// Call returns what messages call a request of this method: "GET /v1/products".
func (t *Target) Call(method string) string {
	if name, ok := t.calls[method]; ok {
		return name
	}
	return strings.Clone(method) + " " + t.Path
}

// Routes returns the routes the table was made of, in their order.
func (t *Table) Routes() []Route { return slices.Clone(t.routes) }

// Len returns how many routes there are.
func (t *Table) Len() int { return len(t.routes) }

// Services returns the names of the services routed or mirrored to, sorted.
func (t *Table) Services() []string {
	var names []string
	for _, r := range t.routes {
		if r.Service != "" {
			names = append(names, r.Service)
		}
		if r.Mirror != nil {
			names = append(names, r.Mirror.Service)
		}
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
	return t.share(drawn % t.total)
}

// VersionOf is Version for all requests of one client, from a hash of what tells it apart.
// When weights change, no more clients get another version than the shares need.
func (t *Target) VersionOf(hash uint64) string {
	if t.total == 0 {
		return ""
	}
	n, _ := bits.Mul64(hash, t.total)
	return t.share(n)
}

func (t *Target) share(n uint64) string {
	for _, s := range t.Versions {
		if n < s.weight() {
			return s.Version
		}
		n -= s.weight()
	}
	return ""
}
