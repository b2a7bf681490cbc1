// Package route decides which service answers a request: a [Table] compiled from
// [Route] values, matched by host and path. It is pure, and made for both engines of
// the edge: nothing here knows how a request was read.
//
// There is one form of a path. [CanonicalPath] makes it or refuses the request, so
// that what is matched here is what any service behind the edge will understand.
package route

import "strings"

// Operations is the path below which services and the edge are operated: their sagas,
// their parked messages, the edge's probe. No route leads there.
const Operations = "/.muster"

// Operates reports whether a decoded path is Operations or lies below it.
func Operates(path string) bool {
	rest, ok := strings.CutPrefix(path, Operations)
	return ok && (rest == "" || rest[0] == '/')
}

// Route sends requests to a service: those for Host, if it names one, whose path is
// Path or lies below it.
type Route struct {
	Host     string  `json:"host,omitempty"`     // lower case, no port; empty: any host
	Path     string  `json:"path"`               // "/", "/v1/products", and for GRPC "/package.Service/"
	GRPC     bool    `json:"grpc,omitempty"`     // the grpc endpoint of an instance answers, over HTTP/2
	Service  string  `json:"service"`            // the name of the service
	Versions []Share `json:"versions,omitempty"` // empty: all instances, each by its own weight
}

// Share is the part of a route's requests that goes to one version of the service.
type Share struct {
	Version string `json:"version"`
	Weight  int    `json:"weight"` // in proportion to the sum of the route's; 0 gets none
}

// weight is the Weight of a share that New has checked.
func (s Share) weight() uint64 { return uint64(s.Weight) } //nolint:gosec // from 0 to MaxWeight

// Name returns what logs and metrics call the route: its host and path.
func (r Route) Name() string { return r.Host + r.Path }

// Limits of a table.
const (
	MaxRoutes   = 10_000
	MaxVersions = 32      // of one route
	MaxWeight   = 1000    // of one version
	MaxPath     = 1024    // bytes of a route's path
	MaxDocument = 8 << 20 // bytes of a table in JSON
)
