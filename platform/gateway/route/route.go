// Package route decides what becomes of a request: a [Table] compiled from [Route] values,
// matched by host, path, method, header and query, says which service answers, by which
// version, under which path. It is pure, and made for all engines of the edge: nothing
// here knows how a request was read.
//
// There is one form of a path. [CanonicalPath] makes it or refuses the request, so
// that what is matched here is what any service behind the edge will understand.
package route

import (
	"slices"
	"strings"
)

// Operations is the path below which services and the edge are operated: their sagas,
// their parked messages, the edge's probe. No route leads there.
const Operations = "/.muster"

// Operates reports whether a decoded path is Operations or lies below it.
func Operates(path string) bool {
	rest, ok := strings.CutPrefix(path, Operations)
	return ok && (rest == "" || rest[0] == '/')
}

// Route takes requests: those for Host, if it names one, whose path is Path or lies below
// it, and whose method, header and query are as it says.
type Route struct {
	Host    string      `json:"host,omitempty"`    // lower case, no port; "*.example.com": all names below that, itself not; empty: any host
	Path    string      `json:"path"`              // "/", "/v1/products", and for GRPC "/package.Service/"
	Exact   bool        `json:"exact,omitempty"`   // not what lies below Path
	GRPC    bool        `json:"grpc,omitempty"`    // the grpc endpoint of an instance answers, over HTTP/2
	Methods []string    `json:"methods,omitempty"` // upper case; GET is HEAD too; empty: any
	Headers []Condition `json:"headers,omitempty"` // all of them hold
	Query   []Condition `json:"query,omitempty"`   // all of them hold

	Service  string  `json:"service,omitempty"`  // the name of the service; may be left out where Redirect always answers
	Versions []Share `json:"versions,omitempty"` // empty: all instances, each by its own weight

	Filters    []string    `json:"filters,omitempty"`    // their names in the document
	MaxBody    int64       `json:"max_body,omitempty"`   // of a request, in bytes; 0: no bound
	Sticky     *Sticky     `json:"sticky,omitempty"`     // nil: requests go to any instance
	Rewrite    *Rewrite    `json:"rewrite,omitempty"`    // nil: path and Host go on as they came
	Redirect   *Redirect   `json:"redirect,omitempty"`   // nil: the service answers
	Mirror     *Mirror     `json:"mirror,omitempty"`     // nil: nobody gets a copy
	Deprecated *Deprecated `json:"deprecated,omitempty"` // nil: it is not
}

// Share is the part of a route's requests that goes to one version of the service.
type Share struct {
	Version string `json:"version"`
	Weight  int    `json:"weight"` // in proportion to the sum of the route's; 0 gets none
}

// weight is the Weight of a share that New has checked.
func (s Share) weight() uint64 { return uint64(s.Weight) } //nolint:gosec // from 0 to MaxWeight

// Condition is one on a field of the header, or a parameter of the query. At most one of
// Value, Prefix, Pattern and Present says what it must be; none: it must be there. Of
// several values one must be so.
type Condition struct {
	Name    string `json:"name"`              // of a field in any case, of a parameter as it is
	Value   string `json:"value,omitempty"`   // the whole value
	Prefix  string `json:"prefix,omitempty"`  // how it begins
	Pattern string `json:"pattern,omitempty"` // a regular expression (RE2) for the whole value
	Present *bool  `json:"present,omitempty"` // whether it is there
}

// Sticky keeps the requests of one client together: at one instance for as long as that is
// well, and so at one version. One of Cookie, Header and Client says who is one client.
type Sticky struct {
	Cookie string `json:"cookie,omitempty"`  // the name of a cookie, which the edge sets
	MaxAge int    `json:"max_age,omitempty"` // of the cookie, in seconds; 0: until the browser is closed
	Header string `json:"header,omitempty"`  // a field whose value tells clients apart; requests without it go to any
	Client bool   `json:"client,omitempty"`  // by the client's address
}

// Rewrite says under which path, and as which host, a request goes to the service.
type Rewrite struct {
	Prefix string `json:"prefix,omitempty"` // takes the place of the route's Path; "/" takes that off
	Path   string `json:"path,omitempty"`   // takes the place of the whole path
	Host   string `json:"host,omitempty"`   // takes the place of the Host field
}

// Redirect answers a request with the address where to ask.
type Redirect struct {
	Status int    `json:"status,omitempty"` // 301, 302, 303, 307 or 308; 0: 308, which keeps method and body
	Scheme string `json:"scheme,omitempty"` // "http" or "https"; with nothing else said, requests that came by it pass on to the service
	Host   string `json:"host,omitempty"`   // "" the one that was asked
	Port   int    `json:"port,omitempty"`   // 0: that of the scheme
	Prefix string `json:"prefix,omitempty"` // takes the place of the route's Path
	Path   string `json:"path,omitempty"`   // takes the place of the whole path
}

// Mirror gives a copy of the route's requests to another service, whose answers nobody gets.
type Mirror struct {
	Service string `json:"service"`
	Percent int    `json:"percent,omitempty"`  // of the requests; 0: all
	MaxBody int64  `json:"max_body,omitempty"` // requests with a larger body are not copied, in bytes; 0: 64 KiB, at most 1 MiB
	Unsafe  bool   `json:"unsafe,omitempty"`   // also methods that change something: POST, PUT, PATCH, DELETE
}

// Deprecated says that clients should stop using a route.
type Deprecated struct {
	Since  Date   `json:"since"`           // needed
	Sunset Date   `json:"sunset,omitzero"` // when it may stop to answer; zero: not said
	Link   string `json:"link,omitempty"`  // where it is explained, a URL
	Gone   bool   `json:"gone,omitempty"`  // from Sunset on, answer 410
}

// Name returns what logs and metrics call the route: its host and path, and what else it
// asks of a request.
func (r Route) Name() string {
	if !r.Exact && len(r.Methods) == 0 && len(r.Headers) == 0 && len(r.Query) == 0 {
		return r.Host + r.Path
	}
	var b strings.Builder
	b.WriteString(r.Host + r.Path)
	if r.Exact {
		b.WriteString(" exact")
	}
	if len(r.Methods) > 0 {
		b.WriteString(" " + strings.Join(slices.Sorted(slices.Values(r.Methods)), ","))
	}
	for _, c := range r.Headers {
		b.WriteString(" " + c.text())
	}
	for _, c := range r.Query {
		b.WriteString(" ?" + c.text())
	}
	return b.String()
}

// Limits of a table.
const (
	MaxRoutes     = 10_000
	MaxVersions   = 32      // of one route
	MaxWeight     = 1000    // of one version
	MaxPath       = 1024    // bytes of a route's path
	MaxConditions = 16      // of a route's header, and of its query
	MaxText       = 256     // bytes of a condition's name, and of what it asks for
	MaxDocument   = 8 << 20 // bytes of a table in JSON
	MaxMirrored   = 1 << 20 // bytes of a body that is copied
)
