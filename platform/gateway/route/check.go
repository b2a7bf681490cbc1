package route

import (
	"fmt"
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
		field := fmt.Sprintf("routes[%d]", i)
		c.host(field+".host", r.Host)
		c.path(field+".path", r)
		if !discovery.ValidName(r.Service) {
			c.add(field+".service", "%.80q is not the name of a service: a-z, 0-9 and '-', at most 63, beginning with a letter", r.Service)
		}
		c.versions(field+".versions", r.Versions)
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

func (c *checker) add(field, format string, args ...any) {
	if len(c.err.Details) < maxFindings {
		c.err.Details = append(c.err.Details, problem.Detail{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
}

func (c *checker) host(field, host string) {
	if canonical, err := CanonicalHost(host); err != nil || canonical != host {
		c.add(field, "%.80q must be a DNS name in lower case or an IP address, without a port", host)
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
