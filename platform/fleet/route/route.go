// Package route reads which requests a service gets, the key "route" of a service in
// muster.yaml.
package route

import (
	"cmp"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/fleet/gate"
	"github.com/musterdev/muster/platform/fleet/grammar"
	"github.com/musterdev/muster/platform/fleet/reading"
	"github.com/musterdev/muster/strictyaml"
)

// Route sends requests to a service: those for Host, if it names one, whose path
// is Path or lies below it.
type Route struct {
	Host     string // lower case, no port; "*.example.com": all names below that; empty: any
	Path     string // canonical: no trailing slash but in "/" and in a gRPC route
	GRPC     bool   // Path is "/package.Service/": the grpc endpoint of an instance answers
	Service  string
	Versions []Share // sorted by version; empty: all instances, each by its own weight
	Options  gate.Options
	Place    strictyaml.Place
}

// Share is the part of a route's traffic that goes to one version.
type Share struct {
	Version string
	Weight  int // percent; those of a route add up to 100
}

// Match reports whether the route takes a request for host, which is in lower case
// and without a port, and for the decoded path, if it is as the Options want it.
func (r Route) Match(host, path string) bool {
	if domain, wild := r.Below(); wild {
		if name, ok := strings.CutSuffix(host, "."+domain); !ok || name == "" {
			return false
		}
	} else if r.Host != "" && r.Host != host {
		return false
	}
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(r.Path, "/"))
	return ok && (strings.HasPrefix(rest, "/") || rest == "" && r.Path != "/")
}

// Below returns the domain of whose names the route takes all, itself not; false: it takes
// one host, or any.
func (r Route) Below() (domain string, wild bool) { return strings.CutPrefix(r.Host, "*.") }

// String returns the route as muster.yaml writes it.
func (r Route) String() string { return r.Host + r.Path }

// Same reports whether two routes do the same, wherever they are written.
func (r Route) Same(other Route) bool {
	return Compare(r, other) == 0 && r.GRPC == other.GRPC && r.Service == other.Service && slices.Equal(r.Versions, other.Versions) &&
		r.Options.All == other.Options.All
}

// Compare orders routes: those of one host first, then those of a wildcard, the longest first,
// then those of any host; then the longest path first, then those that ask for more.
func Compare(a, b Route) int {
	return cmp.Or(cmp.Compare(a.width(), b.width()), cmp.Compare(a.Host, b.Host), -cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(a.Path, b.Path),
		-cmp.Compare(len(a.Options.When), len(b.Options.When)), cmp.Compare(a.Options.When, b.Options.When))
}

// width is the less, the fewer hosts a route may be for.
func (r Route) width() int {
	switch _, wild := r.Below(); {
	case wild:
		return 1000 - len(r.Host) // a host has less characters
	case r.Host == "":
		return 1000
	}
	return 0
}

// Read reads one route of a service, a text or a mapping, and returns also where its path
// stands. false: the mistake is recorded.
func Read(n *strictyaml.Node, service string) (one Route, path *strictyaml.Node, ok bool) {
	one, path = Route{Service: service, Place: n.Place}, n
	var options gate.Reader
	fields := options.Fields()
	if n.Kind == strictyaml.Map {
		path = nil
		fields["path"] = func(v *strictyaml.Node) { path = v }
		fields["versions"] = func(v *strictyaml.Node) { one.Versions = shares(v) }
		n.Fields("a route", fields)
		if path == nil {
			n.Errorf("the route has no path; add \"path: /v1/…\"")
			return one, nil, false
		}
	}
	one.Options = options.Options(n.Place)
	t, ok := reading.Text(path, "a path such as \"/v1/products\", or a list of paths", grammar.Route)
	one.Host, one.Path, one.GRPC = t.Host, t.Path, t.GRPC
	return one, path, ok
}

// shares reads the versions of a route.
func shares(n *strictyaml.Node) []Share {
	var list []Share
	sum := 0
	for _, p := range n.Each("versions to percent") {
		v, ok := p.Value.Int(0, 100)
		if !reading.Key(p, grammar.Word) || !ok {
			return nil
		}
		list = append(list, Share{p.Name, v})
		sum += v
	}
	if n.Kind == strictyaml.Map && sum != 100 {
		n.Errorf("the versions add up to %d percent; make it 100", sum)
		return nil
	}
	slices.SortFunc(list, func(a, b Share) int { return cmp.Compare(a.Version, b.Version) })
	return list
}
