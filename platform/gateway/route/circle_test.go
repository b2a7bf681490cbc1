package route_test

import (
	"testing"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

func TestRedirectsThatLeadToThemselves(t *testing.T) {
	to := func(host, path string, redirect route.Redirect) route.Route {
		return route.Route{Host: host, Path: path, Redirect: &redirect}
	}
	exact := to("", "/a", route.Redirect{Prefix: "/a/b"})
	exact.Exact = true
	post := to("", "/a", route.Redirect{Prefix: "/a", Status: 303})
	post.Methods = []string{"POST"}
	again := to("", "/a", route.Redirect{Prefix: "/a", Status: 307})
	again.Methods = []string{"POST"}
	beta := to("", "/a", route.Redirect{Path: "/a"})
	beta.Query = []route.Condition{{Name: "beta"}}
	for name, test := range map[string]struct {
		routes []route.Route
		round  bool
	}{
		"the same prefix":            {[]route.Route{to("", "/a", route.Redirect{Prefix: "/a"})}, true},
		"the same path":              {[]route.Route{to("", "/a", route.Redirect{Path: "/a"})}, true},
		"below itself":               {[]route.Route{to("", "/a", route.Redirect{Path: "/a/b"})}, true},
		"all of it":                  {[]route.Route{to("", "/", route.Redirect{Path: "/home"})}, true},
		"another":                    {[]route.Route{to("", "/a", route.Redirect{Path: "/b"})}, false},
		"no prefix by segments":      {[]route.Route{to("", "/a", route.Redirect{Prefix: "/ab"})}, false},
		"what another route has":     {[]route.Route{to("", "/", route.Redirect{Path: "/home"}), {Path: "/home", Service: "web"}}, false},
		"the path itself only":       {[]route.Route{exact}, false},
		"another method":             {[]route.Route{post}, false},
		"the same method":            {[]route.Route{again}, true},
		"what the query decides":     {[]route.Route{beta}, false},
		"its own host":               {[]route.Route{to("a.example", "/", route.Redirect{Host: "a.example"})}, true},
		"another host":               {[]route.Route{to("a.example", "/", route.Redirect{Host: "b.example"})}, false},
		"any host to one, elsewhere": {[]route.Route{to("", "/", route.Redirect{Host: "b.example"})}, false},
		"another port":               {[]route.Route{to("", "/", route.Redirect{Port: 8443, Prefix: "/"})}, false},
		"another scheme, elsewhere":  {[]route.Route{to("", "/", route.Redirect{Scheme: "https", Prefix: "/"})}, false},
		"a wildcard's":               {[]route.Route{to("*.shop.example", "/", route.Redirect{Prefix: "/x"})}, true},
	} {
		_, err := route.New(test.routes)
		if found := problem.From(err); (err != nil) != test.round || test.round && (len(found.Details) != 1 || found.Details[0].Field != "routes[0].redirect") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
