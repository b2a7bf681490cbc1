package route

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/musterdev/muster/call/discovery"
)

// token reports whether a text may be a method or the name of a field (RFC 9110, 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0) {
			return false
		}
	}
	return s != ""
}

func (c *checker) conditions(field string, list []Condition, header bool) {
	if len(list) > MaxConditions {
		c.add(field, "must be at most %d", MaxConditions)
		return
	}
	for i, cond := range list {
		at := fmt.Sprintf("%s[%d]", field, i)
		if cond.Name == "" || len(cond.Name) > MaxText || header && !token(cond.Name) {
			c.add(at+".name", "%.80q must be a name of 1 to %d characters", cond.Name, MaxText)
		}
		if header && strings.EqualFold(cond.Name, "Host") {
			c.add(at+".name", "Host is no condition; the route's host says for which one it is")
		}
		said := 0
		for _, s := range []string{cond.Value, cond.Prefix, cond.Pattern} {
			if s != "" {
				said++
			}
			if len(s) > MaxText {
				c.add(at, "%.40q… must have at most %d bytes", s, MaxText)
			}
		}
		if cond.Present != nil {
			said++
		}
		if said > 1 {
			c.add(at, "must have one of value, prefix, pattern and present")
		}
		if _, err := regexp.Compile(cond.Pattern); err != nil {
			c.add(at+".pattern", "is no regular expression: %s", err)
		}
	}
}

// options checks what is done with a request beside passing it on.
func (c *checker) options(field string, r Route) {
	c.sticky(field+".sticky", r.Sticky)
	if w := r.Rewrite; w != nil {
		if *w == (Rewrite{}) {
			c.add(field+".rewrite", "must say what is another one for the service: prefix, path or host")
		}
		c.target(field+".rewrite", w.Prefix, w.Path, r)
		c.host(field+".rewrite.host", w.Host)
		if r.Redirect != nil && !r.Redirect.passes() {
			c.add(field+".rewrite", "is of no use beside a redirect")
		}
	}
	c.redirect(field+".redirect", r)
	c.mirror(field+".mirror", r)
	if d := r.Deprecated; d != nil {
		c.deprecated(field+".deprecated", d)
	}
}

func (c *checker) mirror(field string, r Route) {
	m := r.Mirror
	if m == nil {
		return
	}
	if !discovery.ValidName(m.Service) {
		c.add(field+".service", "%.80q is not the name of a service", m.Service)
	}
	if m.Percent < 0 || m.Percent > 100 {
		c.add(field+".percent", "must be from 1 to 100")
	}
	if m.MaxBody < 0 || m.MaxBody > MaxMirrored {
		c.add(field+".max_body", "must be from 0 to %d", MaxMirrored)
	}
	if r.GRPC {
		c.add(field, "gRPC calls are not mirrored: most are streams")
	}
}

func (c *checker) sticky(field string, s *Sticky) {
	if s == nil {
		return
	}
	said := 0
	for _, is := range []bool{s.Cookie != "", s.Header != "", s.Client} {
		if is {
			said++
		}
	}
	if said != 1 {
		c.add(field, "must have one of cookie, header and client")
	}
	if s.Cookie != "" && (!token(s.Cookie) || len(s.Cookie) > MaxText) {
		c.add(field+".cookie", "%.80q cannot be the name of a cookie", s.Cookie)
	}
	if s.Header != "" && (!token(s.Header) || len(s.Header) > MaxText) {
		c.add(field+".header", "%.80q cannot be the name of a field", s.Header)
	}
	if s.MaxAge < 0 || s.MaxAge > 0 && s.Cookie == "" {
		c.add(field+".max_age", "must be the seconds that the cookie lives")
	}
}

// target checks what a path becomes.
func (c *checker) target(field, prefix, path string, r Route) {
	if prefix != "" && path != "" {
		c.add(field, "must have one of prefix and path")
	}
	for name, p := range map[string]string{".prefix": prefix, ".path": path} {
		if p == "" {
			continue
		}
		canonical, err := CanonicalPath(escaped(p))
		switch {
		case err != nil || canonical != p || len(p) > MaxPath:
			c.add(field+name, `%.200q must begin with "/" and be written as a service reads it: no //, no dot segments, nothing encoded`, p)
		case Operates(p):
			c.add(field+name, "%.200q is below %s, where services are operated", p, Operations)
		case r.GRPC:
			c.add(field+name, "the path of a gRPC call is its name; it cannot be another")
		}
	}
}

func (c *checker) redirect(field string, r Route) {
	to := r.Redirect
	if to == nil {
		return
	}
	c.host(field+".host", to.Host)
	c.target(field, to.Prefix, to.Path, r)
	switch to.Status {
	case 0, 301, 302, 303, 307, 308:
	default:
		c.add(field+".status", "must be 301, 302, 303, 307 or 308")
	}
	if to.Scheme != "" && to.Scheme != "http" && to.Scheme != "https" {
		c.add(field+".scheme", "must be http or https")
	}
	if to.Port < 0 || to.Port > 65535 {
		c.add(field+".port", "must be from 1 to 65535")
	}
	if to.Scheme == "" && to.Host == "" && to.Port == 0 && to.Prefix == "" && to.Path == "" {
		c.add(field, "must say where to: scheme, host, port, prefix or path")
	}
	if r.GRPC {
		c.add(field, "gRPC knows no redirects")
	}
}

func (c *checker) deprecated(field string, d *Deprecated) {
	if d.Since.IsZero() {
		c.add(field+".since", "is missing: the date from which on clients are told")
	}
	if !d.Sunset.IsZero() && d.Sunset.Before(d.Since.Time) {
		c.add(field+".sunset", "must not be before since")
	}
	if d.Gone && d.Sunset.IsZero() {
		c.add(field+".gone", "needs a sunset, from which on 410 is answered")
	}
	if u, err := url.Parse(d.Link); err != nil || strings.ContainsAny(d.Link, "<> \"") || len(d.Link) > MaxPath || d.Link != "" && u.Scheme == "" && !strings.HasPrefix(d.Link, "/") {
		c.add(field+".link", "%.200q must be a URL", d.Link)
	}
}
