package route

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/musterdev/muster/problem"
)

// rewriting is a Rewrite, or the path of a Redirect, that was compiled.
type rewriting struct {
	to       string // as it stands in a request line
	whole    bool   // it takes the place of the whole path
	segments int    // of the route's path, which it takes the place of
	on       bool
}

func newRewriting(r Route) rewriting {
	prefix, path := "", ""
	switch {
	case r.Rewrite != nil:
		prefix, path = r.Rewrite.Prefix, r.Rewrite.Path
	case r.Redirect != nil:
		prefix, path = r.Redirect.Prefix, r.Redirect.Path
	}
	w := rewriting{on: prefix != "" || path != "", whole: path != "", to: escaped(prefix + path)}
	if own := strings.Trim(r.Path, "/"); own != "" {
		w.segments = strings.Count(own, "/") + 1
	}
	return w
}

func escaped(path string) string { return (&url.URL{Path: path}).EscapedPath() }

// apply returns the raw path that takes the place of another, which the route matched.
func (w *rewriting) apply(raw string) string {
	if w.whole {
		return w.to
	}
	rest := raw // one slash stands for one slash: CanonicalPath lets no other path in
	for range w.segments {
		next := strings.IndexByte(rest[1:], '/')
		if next < 0 {
			rest = ""
			break
		}
		rest = rest[1+next:]
	}
	if path := strings.TrimSuffix(w.to, "/") + rest; path != "" {
		return path
	}
	return "/"
}

// Outward returns the path under which a request goes to the service, as it stands in a
// request line and canonical, from those it came with: rewritten where the route says so. The
// error, a *problem.Error, is of one that would lead where no route does.
func (t *Target) Outward(raw, canonical string) (outRaw, out string, err error) {
	if t.Rewrite == nil || !t.rewrite.on {
		return raw, canonical, nil
	}
	outRaw = t.rewrite.apply(raw)
	if out, err = CanonicalPath(outRaw); err != nil {
		return "", "", err
	}
	if Operates(out) {
		return "", "", problem.New(problem.NotFound, "no service is routed at this path")
	}
	return outRaw, out, nil
}

// Location returns where the route redirects a request to, with the status; "" when it does
// not. scheme is how the request came, "http" or "https", host its canonical one, raw its
// path, and query its query.
func (t *Target) Location(scheme, host, raw, query string) (location string, status int, err error) {
	r := t.Redirect
	if r == nil || r.passes() && r.Scheme == scheme {
		return "", 0, nil
	}
	path := raw
	if r.Prefix+r.Path != "" {
		path = t.rewrite.apply(raw)
	}
	if query != "" {
		path += "?" + query
	}
	if strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return "", 0, problem.New(problem.InvalidArgument, "the address of the request has a space or a control character")
	}
	if status = r.Status; status == 0 {
		status = 308
	}
	if r.Scheme == "" && r.Host == "" && r.Port == 0 {
		return path, status, nil
	}
	if r.Scheme != "" {
		scheme = r.Scheme
	}
	if r.Host != "" {
		host = r.Host
	}
	if host == "" {
		return "", 0, problem.New(problem.InvalidArgument, "the request names no host, which the address that answers it needs")
	}
	if r.Port != 0 {
		host += ":" + strconv.Itoa(r.Port)
	}
	return scheme + "://" + host + path, status, nil
}

// passes reports whether requests that came by its scheme go on to the service.
func (r *Redirect) passes() bool {
	return r.Scheme != "" && r.Host == "" && r.Port == 0 && r.Prefix == "" && r.Path == ""
}
