package fleet

import (
	"cmp"
	"slices"
	"strings"
)

// Route sends requests to a service: those for Host, if it names one, whose path
// is Path or lies below it.
type Route struct {
	Host     string // lower case, no port; empty: any
	Path     string // canonical: no trailing slash but in "/" and in a gRPC route
	GRPC     bool   // Path is "/package.Service/": the grpc endpoint of an instance answers
	Service  string
	Versions []Share // sorted by version; empty: all instances, each by its own weight
	Place    Place
}

// Share is the part of a route's traffic that goes to one version.
type Share struct {
	Version string
	Weight  int // percent; those of a route add up to 100
}

// Match reports whether the route takes a request for host, which is in lower case
// and without a port, and for the decoded path.
func (r Route) Match(host, path string) bool {
	if r.Host != "" && r.Host != host {
		return false
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(r.Path, "/"))
	return ok && (strings.HasPrefix(rest, "/") || rest == "" && r.Path != "/")
}

// String returns the route as muster.yaml writes it.
func (r Route) String() string { return r.Host + r.Path }

// Routes returns the routing table: the routes of all services, those with a host
// first, then the longest path first, so that the first that matches is the right
// one. No two have the same host and path.
func (f *Fleet) Routes() []Route {
	var all []Route
	for _, s := range f.Services {
		all = append(all, s.Routes...)
	}
	slices.SortFunc(all, compareRoutes)
	return all
}

func compareRoutes(a, b Route) int {
	if (a.Host == "") != (b.Host == "") {
		return -cmp.Compare(a.Host, b.Host)
	}
	return cmp.Or(cmp.Compare(a.Host, b.Host), -cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.Path, b.Path))
}
