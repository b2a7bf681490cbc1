package route

import (
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// maxFindings bounds how many mistakes one error names.
const maxFindings = 20

// checker collects what is wrong with a table.
type checker struct{ err *problem.Error }

func check(routes []Route) error {
	c := &checker{problem.New(problem.InvalidArgument, "the routing table is not valid")}
	if len(routes) > MaxRoutes {
		c.add("routes", "must be at most %d", MaxRoutes)
		return c.err
	}
	seen := map[string]int{}
	for i, r := range routes {
		if len(c.err.Details) >= maxFindings {
			break
		}
		field := fmt.Sprintf("routes[%d]", i)
		c.route(field, r)
		if first, twice := seen[r.Name()]; twice {
			c.add(field, "routes %.200q once more, as routes[%d] does", r.Name(), first)
		} else {
			seen[r.Name()] = i
		}
	}
	if len(c.err.Details) > 0 {
		return c.err
	}
	return nil
}

// Check returns what is wrong with one route, by the names of its fields; nil when nothing is.
func Check(r Route) []problem.Detail {
	c := &checker{problem.New(problem.InvalidArgument, "the route is not valid")}
	c.route("", r)
	for i := range c.err.Details {
		c.err.Details[i].Field = strings.TrimPrefix(c.err.Details[i].Field, ".")
	}
	return c.err.Details
}

func (c *checker) route(field string, r Route) {
	c.hosts(field+".host", r.Host)
	c.path(field+".path", r)
	if r.Service == "" && r.Redirect != nil && r.Redirect.passes() {
		c.add(field+".service", "is needed beside a redirect that says a scheme alone, which passes on what came by it; name one, or say a host, port, prefix or path too")
	} else if !discovery.ValidName(r.Service) && (r.Service != "" || r.Redirect == nil || r.Redirect.passes()) {
		c.add(field+".service", "%.80q is not the name of a service: a-z, 0-9 and '-', at most 63, beginning with a letter", r.Service)
	}
	c.versions(field+".versions", r.Versions)
	c.methods(field+".methods", r.Methods)
	c.conditions(field+".headers", r.Headers, true)
	c.conditions(field+".query", r.Query, false)
	if r.MaxBody < 0 {
		c.add(field+".max_body", "must not be negative")
	}
	c.options(field, r)
}

func (c *checker) add(field, format string, args ...any) {
	if len(c.err.Details) < maxFindings {
		c.err.Details = append(c.err.Details, problem.Detail{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) host(field, host string) {
	if strings.Contains(host, "*") {
		c.add(field, "%.80q has a wildcard, and so is no host to go to; write one host", host)
	} else if canonical, err := CanonicalHost(host); err != nil || canonical != host {
		c.add(field, "%.80q must be a DNS name in lower case or an IP address, without a port", host)
	}
}

// hosts checks which hosts a route is for: any, one, or all below a domain.
func (c *checker) hosts(field, host string) {
	domain, wild := strings.CutPrefix(host, "*.")
	if !wild {
		if strings.Contains(host, "*") {
			c.add(field, `%.80q has a wildcard that is not its whole first label; write "*." and a domain, such as "*.example.com"`, host)
			return
		}
		c.host(field, host)
		return
	}
	canonical, err := CanonicalHost(domain)
	last := domain[strings.LastIndexByte(domain, '.')+1:]
	switch {
	case domain == "" || err != nil || canonical != domain || domain[0] == '[' || len(host) > maxHost:
		c.add(field, `%.80q must be "*." and a DNS name in lower case, without a port and another wildcard`, host)
	case strings.Trim(last, "0123456789") == "":
		c.add(field, "%.80q is below a part of an address, which has no names", host)
	case last == domain && domain != "localhost":
		c.add(field, `%.80q stands for the domains of everybody below %.80q; write one of them, such as "*.example.com"`, host, domain)
	}
}

func (c *checker) path(field string, r Route) {
	canonical, err := CanonicalPath(r.Path)
	switch {
	case len(r.Path) > MaxPath:
		c.add(field, "must have at most %d bytes", MaxPath)
	case err != nil || canonical != r.Path:
		c.add(field, `%.200q must begin with "/" and be written as a service reads it: no //, no dot segments, nothing encoded`, r.Path)
	case Operates(r.Path):
		c.add(field, "%.200q is below %s, where the edge answers itself; choose another path", r.Path, Operations)
	case strings.ContainsAny(r.Path, "*{}"):
		c.add(field, "%.200q is a pattern; a route is a prefix: leave out what follows", r.Path)
	case r.GRPC && r.Exact:
		c.add(field, "a gRPC service is all below its path; leave out exact")
	case r.GRPC && (len(r.Path) < 3 || strings.Count(r.Path, "/") != 2 || !strings.HasSuffix(r.Path, "/")):
		c.add(field, `%.200q must be the name of a gRPC service between two slashes: "/package.Service/"`, r.Path)
	case !r.GRPC && r.Path != "/" && strings.HasSuffix(r.Path, "/"):
		c.add(field, "%.200q must not end with a slash: what lies below it is routed anyway", r.Path)
	}
}

func (c *checker) versions(field string, shares []Share) {
	if len(shares) > MaxVersions {
		c.add(field, "must be at most %d", MaxVersions)
		return
	}
	seen := map[string]bool{}
	sum := 0
	for i, s := range shares {
		at := fmt.Sprintf("%s[%d]", field, i)
		if s.Version == "" || len(s.Version) > discovery.MaxTextLen {
			c.add(at+".version", "must have 1 to %d bytes", discovery.MaxTextLen)
		}
		if seen[s.Version] {
			c.add(at+".version", "%.80q is there twice", s.Version)
		}
		seen[s.Version] = true
		if s.Weight < 0 || s.Weight > MaxWeight {
			c.add(at+".weight", "must be from 0 to %d", MaxWeight)
		}
		sum += s.Weight
	}
	if len(shares) > 0 && sum <= 0 {
		c.add(field, "must not all have the weight 0: no instance would be left")
	}
}

func (c *checker) methods(field string, list []string) {
	for i, m := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		switch {
		case m == "CONNECT" || m == "TRACE":
			c.add(at, "%s is never passed on", m)
		case !token(m) || strings.ToUpper(m) != m || len(m) > 32:
			c.add(at, "%.40q must be a method in upper case, such as GET", m)
		case slices.Contains(list[:i], m):
			c.add(at, "%s is there twice", m)
		}
	}
}
