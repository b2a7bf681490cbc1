package control

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/musterdev/muster/problem"
)

// guardBrowsers lets a page of control's own read and order, and no other: a request that
// a browser sends for a page from elsewhere has that page's Origin, and one for a name
// that somebody makes point here (DNS rebinding) has that name as its Host.
func guardBrowsers(names []string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !ownName(r.Host, names) {
			problem.Write(w, r, problem.New(problem.PermissionDenied, "the dashboard does not answer to the name %.100q: open it by its address or as localhost, or start it with --name", r.Host))
			return
		}
		if from := elsewhere(r); from != "" {
			problem.Write(w, r, problem.New(problem.PermissionDenied, "pages from elsewhere have no say here: the request comes from %.100q", from))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// elsewhere returns where the page comes from for which a browser sends a request, "" for
// control's own and for what is no browser. Of a picture or script that a page names there
// is no Origin, but newer browsers tell whose page it is (W3C Fetch Metadata); a link from
// elsewhere may be followed.
func elsewhere(r *http.Request) string {
	for _, origin := range r.Header["Origin"] {
		if u, err := url.Parse(origin); err != nil || u.Host != r.Host {
			return origin
		}
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if (site == "cross-site" || site == "same-site") && r.Header.Get("Sec-Fetch-Mode") != "navigate" {
		return site
	}
	return ""
}

// guardPrograms lets programs in, by whatever name they call control, and of browsers those
// that [guardBrowsers] does: what is for programs is not for pages from elsewhere. What a
// page orders has an Origin.
func guardPrograms(names []string, next http.Handler) http.Handler {
	browsers := guardBrowsers(names, next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" || r.Header.Get("Sec-Fetch-Site") != "" {
			browsers.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// ownName reports whether nobody else can make a name point here: an address, a name that
// every system resolves to itself (RFC 6761, 6.3), or one of these.
func ownName(host string, names []string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	return net.ParseIP(name) != nil || name == "localhost" || strings.HasSuffix(name, ".localhost") || slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
}
