package grammar

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strings"
)

var (
	grpcPath = regexp.MustCompile(`^/([A-Za-z_][A-Za-z0-9_]*\.)*[A-Z][A-Za-z0-9_]*/$`)
	host     = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
)

// operations is the path below which a service is operated. Nothing routes it.
const operations = "/.muster"

// RouteTarget is what a route matches.
type RouteTarget struct {
	Host string // lower case; "*.example.com": all names below that; empty: any
	Path string // absolute, clean; ends in a slash only in "/" and when a gRPC service is named
	GRPC bool   // Path is that of a gRPC service: "/package.Service/"
}

// Route accepts "/path", "host.example/path", "*.host.example/path" and
// "/package.Service/". A route has one form only, so that two can be compared by eye; an
// error names that form. A single capitalised name between slashes is taken for a gRPC service.
func Route(s string) (RouteTarget, error) {
	t, err := split(s)
	if err != nil {
		return RouteTarget{}, err
	}
	clean := path.Clean(t.Path)
	if strings.HasSuffix(t.Path, "/") && clean != "/" && grpcPath.MatchString(clean+"/") {
		t.GRPC = true
		clean += "/"
	}
	if clean != t.Path {
		return RouteTarget{}, otherForm(s, t.Host+clean)
	}
	return t, nil
}

// split finds the host and the path, and refuses what no route can hold.
func split(s string) (RouteTarget, error) {
	fail := func(format string, args ...any) (RouteTarget, error) {
		return RouteTarget{}, fmt.Errorf("route %q "+format, append([]any{Short(s)}, args...)...)
	}
	if len(s) > 512 {
		return RouteTarget{}, errors.New("the route is longer than 512 characters; shorten it")
	}
	if _, rest, ok := strings.Cut(s, "://"); ok {
		return fail("names a scheme; write %q", Short(rest))
	}
	i := strings.IndexByte(s, '/')
	if i < 0 && strings.HasPrefix(s, "*.") {
		return fail("names no path; write %q", Short(s+"/"))
	}
	if i < 0 || i > 0 && !strings.ContainsAny(s[:i], ".:*") && s[:i] != "localhost" {
		return fail("begins with neither \"/\" nor a host; write %q", Short("/"+s))
	}
	t := RouteTarget{Host: s[:i], Path: s[i:]}
	lower := strings.ToLower(t.Host)
	wrong := wildcard(lower)
	switch {
	case strings.Contains(t.Host, ":"):
		return fail("names a port; all routes are on the edge's port: remove it")
	case wrong != "":
		return fail("%s", wrong)
	case t.Host != "" && (!host.MatchString(strings.TrimPrefix(lower, "*.")) || len(lower) > 253):
		return fail("begins with no host; write a DNS name, or a path that begins with \"/\"")
	case lower != t.Host:
		return RouteTarget{}, otherForm(s, lower+t.Path)
	case strings.ContainsAny(t.Path, "?#"):
		return fail("holds more than a path; remove the part from \"?\" or \"#\" on")
	case strings.ContainsAny(t.Path, "*{}"):
		return fail("holds a wildcard; a route takes all paths below it: write the part before")
	case strings.Contains(t.Path, "%"):
		return RouteTarget{}, encoded(s, t)
	case t.Path == operations || strings.HasPrefix(t.Path, operations+"/"):
		return fail("is below %s, where the edge answers itself: services are operated there, not used; write another path", operations)
	case !urlPath.MatchString(t.Path):
		return fail("holds a character that is not allowed there; use letters, digits and -._~!$&'()+,;=:@")
	}
	return t, nil
}

// wildcard says what is wrong with the "*" of a host in lower case; "" nothing.
func wildcard(name string) string {
	domain, wild := strings.CutPrefix(name, "*.")
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	switch {
	case strings.Contains(domain, "*"):
		return `holds a wildcard that is not the whole first label of its host; write one such as "*.example.com/v1"`
	case !wild || !host.MatchString(domain):
		return ""
	case strings.Trim(last, "0123456789") == "":
		return `is below a part of an address, which has no names; write a DNS name after "*."`
	case last == domain && domain != "localhost":
		return fmt.Sprintf(`is for the domains of everybody below %q; write one of them, such as "*.example.%s"`, Short(domain), Short(domain))
	}
	return ""
}

// encoded explains why a path with percent signs is refused.
func encoded(s string, t RouteTarget) error {
	if upper := strings.ToUpper(t.Path); strings.Contains(upper, "%2F") || strings.Contains(upper, "%5C") {
		return fmt.Errorf("route %q holds an encoded slash, which is refused at the edge; write the path without", Short(s))
	}
	if plain, err := url.PathUnescape(t.Path); err == nil && urlPath.MatchString(plain) && !strings.Contains(plain, "*") {
		return otherForm(s, t.Host+plain)
	}
	return fmt.Errorf("route %q holds percent-encoding; write a path without", Short(s))
}

func otherForm(s, form string) error {
	return fmt.Errorf("route %q is not canonical; write %q", Short(s), Short(form))
}
