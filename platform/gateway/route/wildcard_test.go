package route_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/gateway/route"
)

func TestWildcard(t *testing.T) {
	table := compile(t,
		route.Route{Path: "/", Service: "any"},
		route.Route{Host: "*.example.com", Path: "/", Service: "tenants"},
		route.Route{Host: "*.example.com", Path: "/v1", Service: "tenants-v1"},
		route.Route{Host: "*.eu.example.com", Path: "/v1", Service: "europe-v1"},
		route.Route{Host: "api.example.com", Path: "/v1", Service: "api-v1"},
		route.Route{Host: "*.localhost", Path: "/", Service: "here"},
		route.Route{Host: "*.example.org", Path: "/only", Service: "only"},
	)
	for _, test := range []struct{ host, path, want string }{
		{"a.example.com", "/", "tenants"},
		{"a.b.example.com", "/", "tenants"},
		{"A.Example.COM.:8080", "/x", "tenants"},
		{"_a.example.com", "/", "tenants"},
		{"example.com", "/", "any"}, // not itself
		{"xexample.com", "/", "any"},
		{"a.example.com.evil.test", "/", "any"},
		{"a.example.comx", "/", "any"},
		{"com", "/", "any"},
		{"", "/", "any"},
		{"10.0.0.1", "/", "any"},
		{"[::ffff:10.0.0.1]", "/", "any"},
		{"a.example.com", "/v1/x", "tenants-v1"},
		{"a.eu.example.com", "/v1/x", "europe-v1"}, // the longer wildcard first
		{"a.eu.example.com", "/v2", "tenants"},     // which has no such path
		{"eu.example.com", "/v1", "tenants-v1"},
		{"api.example.com", "/v1", "api-v1"}, // the host itself first
		{"api.example.com", "/v2", "tenants"},
		{"a.api.example.com", "/v1", "tenants-v1"},
		{"shop.localhost", "/", "here"},
		{"localhost", "/", "any"},
		{"a.example.org", "/only/x", "only"},
		{"a.example.org", "/", "any"},
		{strings.Repeat("a.", 121) + "example.com", "/", "tenants"},
	} {
		host, err := route.CanonicalHost(test.host)
		if err != nil {
			t.Fatal(err)
		}
		if m := table.Match(host, test.path); m == nil || m.Service != test.want {
			t.Errorf("%q %s: %+v, want %s", test.host, test.path, m, test.want)
		}
	}
	one := compile(t, route.Route{Host: "*.a.example", Path: "/", Service: "s"})
	for _, host := range []string{"b.example", ".a.example", "a.example"} {
		if m := one.Match(host, "/"); m != nil {
			t.Errorf("%s is below a.example", host)
		}
	}
}

// What only the method keeps from a route is told of all that could have taken the host.
func TestWildcardAllows(t *testing.T) {
	table := compile(t,
		route.Route{Host: "a.example.com", Path: "/x", Service: "s", Methods: []string{"PUT"}},
		route.Route{Host: "*.example.com", Path: "/x", Service: "s", Methods: []string{"GET"}},
		route.Route{Host: "*.example.org", Path: "/x", Service: "s", Methods: []string{"PATCH"}},
		route.Route{Path: "/x", Service: "s", Methods: []string{"DELETE"}},
	)
	if found, allow := table.Find(&route.Ask{Host: "a.example.com", Path: "/x", Method: "POST"}); found != nil || fmt.Sprint(allow) != "[DELETE GET HEAD PUT]" {
		t.Errorf("%v, allowed %v", found, allow)
	}
	if found, _ := table.Find(&route.Ask{Host: "a.example.com", Path: "/x", Method: "GET"}); found == nil || found.Host != "*.example.com" {
		t.Errorf("GET goes to %v", found)
	}
	// A parameter leads no more round a wildcard's route than round another's.
	ask := route.Ask{Host: "b.example.com", Path: "/x;y", Method: "GET"}
	if table.Find(&ask); !ask.Doubtful {
		t.Error("a parameter leads round a route of a wildcard")
	}
}

func TestBadWildcards(t *testing.T) {
	for host, want := range map[string]string{
		"*":                                     "not its whole first label",
		"*a.example.com":                        "not its whole first label",
		"a.*.example.com":                       "not its whole first label",
		"example.*":                             "not its whole first label",
		"**.example.com":                        "not its whole first label",
		"*.*.example.com":                       `must be "*." and a DNS name`,
		"*.":                                    `must be "*." and a DNS name`,
		"*..example.com":                        `must be "*." and a DNS name`,
		"*.example.com.":                        `must be "*." and a DNS name`,
		"*.Example.com":                         `must be "*." and a DNS name`,
		"*.example.com:80":                      `must be "*." and a DNS name`,
		"*.bücher.example":                      `must be "*." and a DNS name`,
		"*.[::1]":                               `must be "*." and a DNS name`,
		"*." + strings.Repeat("a.", 126) + "ab": `must be "*." and a DNS name`,
		"*.com":                                 "the domains of everybody",
		"*.0.0.1":                               "part of an address",
		"*.7":                                   "part of an address",
	} {
		found := route.Check(route.Route{Host: host, Path: "/", Service: "s"})
		if len(found) != 1 || found[0].Field != "host" || !strings.Contains(found[0].Reason, want) {
			t.Errorf("%q: %v, want %s", host, found, want)
		}
	}
	for field, r := range map[string]route.Route{
		"rewrite.host":  {Rewrite: &route.Rewrite{Host: "*.example.com"}},
		"redirect.host": {Redirect: &route.Redirect{Host: "*.example.com"}},
	} {
		r.Host, r.Path, r.Service = "*.example.com", "/", "s"
		if found := route.Check(r); len(found) != 1 || found[0].Field != field || !strings.Contains(found[0].Reason, "no host to go to") {
			t.Errorf("%s: %v", field, found)
		}
	}
}

// A redirect of a wildcard's route keeps the host that was asked for.
func TestLocationOfWildcard(t *testing.T) {
	table := compile(t, route.Route{Host: "*.example.com", Path: "/", Service: "s", Redirect: &route.Redirect{Scheme: "https"}})
	to, status, err := table.Match("a.b.example.com", "/x").Location("http", "a.b.example.com", "/x", "")
	if to != "https://a.b.example.com/x" || status != 308 || err != nil {
		t.Errorf("%q, %d, %v", to, status, err)
	}
}

// The table finds what a search through all routes finds, whatever hosts they are for.
func TestWildcardIsTheLongest(t *testing.T) {
	label := rapid.SampledFrom([]string{"a", "a", "b", "aa"})
	domain := func(t *rapid.T, name string, least int) string {
		return strings.Join(append(rapid.SliceOfN(label, least, 4).Draw(t, name), "x"), ".")
	}
	path := rapid.SampledFrom([]string{"/", "/", "/p", "/p/q"})
	method := rapid.SampledFrom([]string{"GET", "PUT"})
	rapid.Check(t, func(t *rapid.T) {
		var routes []route.Route
		for range rapid.IntRange(0, 12).Draw(t, "routes") {
			r := route.Route{Path: path.Draw(t, "path"), Service: "s", Methods: rapid.SliceOfN(method, 0, 1).Draw(t, "methods")}
			switch rapid.IntRange(0, 3).Draw(t, "kind") {
			case 0:
			case 1:
				r.Host = domain(t, "host", 0)
			default:
				r.Host = "*." + domain(t, "domain", 1)
			}
			if !slices.ContainsFunc(routes, func(o route.Route) bool { return o.Name() == r.Name() }) {
				routes = append(routes, r)
			}
		}
		table, err := route.New(routes)
		if err != nil {
			t.Fatal(err)
		}
		a := route.Ask{Path: path.Draw(t, "asked path"), Method: method.Draw(t, "method")}
		if rapid.IntRange(0, 9).Draw(t, "with a host") > 0 {
			a.Host = domain(t, "asked", rapid.IntRange(0, 4).Draw(t, "labels"))
		}
		host := a.Host
		found, allow := table.Find(&a)
		got := ""
		if found != nil {
			got = found.Label
		}
		want, missed := searchHosts(routes, host, a.Path, a.Method)
		if got != want || (len(allow) > 0) != (want == "" && missed) {
			t.Fatalf("%q %s %s: %q, allowed %v; want %q, of %v", host, a.Method, a.Path, got, allow, want, routes)
		}
	})
}

// searchHosts is what [route.Table.Find] says of hosts, one route after the other.
func searchHosts(routes []route.Route, host, path, method string) (name string, missed bool) {
	var fit []route.Route
	for _, r := range routes {
		domain, wild := strings.CutPrefix(r.Host, "*.")
		labels := strings.TrimSuffix(host, "."+domain)
		if wild && (labels == host || labels == "") || !wild && r.Host != "" && r.Host != host {
			continue
		}
		if path != r.Path && !strings.HasPrefix(path, strings.TrimSuffix(r.Path, "/")+"/") {
			continue
		}
		if len(r.Methods) > 0 && r.Methods[0] != method {
			missed = true
			continue
		}
		fit = append(fit, r)
	}
	if len(fit) == 0 {
		return "", missed
	}
	rank := func(r route.Route) int { // one host, then by the labels of the domain, then any host
		switch {
		case r.Host == "":
			return 0
		case strings.HasPrefix(r.Host, "*."):
			return strings.Count(r.Host, ".")
		}
		return 100
	}
	return slices.MaxFunc(fit, func(a, b route.Route) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(len(a.Path), len(b.Path)), cmp.Compare(len(a.Methods), len(b.Methods)))
	}).Name(), missed
}

func TestWildcardDoesNotAllocate(t *testing.T) {
	table := compile(t, route.Route{Host: "*.eu.example.com", Path: "/v1", Service: "s"}, route.Route{Host: "*.example.com", Path: "/", Service: "s"})
	if n := testing.AllocsPerRun(100, func() {
		host, _ := route.CanonicalHost("a.b.eu.example.com:8080")
		_, _ = table.Find(&route.Ask{Host: host, Path: "/x/y", Method: "GET"})
	}); n != 0 {
		t.Errorf("a match allocates %v times", n)
	}
}

// BenchmarkFindByHost looks up among 1,000 routes: without wildcards, and with each host's
// routes below one.
func BenchmarkFindByHost(b *testing.B) {
	for _, kind := range []struct{ name, prefix string }{{"plain", ""}, {"wildcard", "*."}} {
		var routes []route.Route
		for i := range 1000 {
			routes = append(routes, route.Route{Host: fmt.Sprintf("%sh%d.example.com", kind.prefix, i%100), Path: fmt.Sprintf("/v1/things%d", i/100), Service: "s"})
		}
		table, err := route.New(append(routes, route.Route{Path: "/", Service: "s"}))
		if err != nil {
			b.Skip(err)
		}
		for _, ask := range []struct{ name, host string }{
			{"named", "h7.example.com"}, {"below", "a.h7.example.com"}, {"deep", "a.b.c.d.e.f.h7.example.com"}, {"other", "shop.example"}, {"none", ""},
		} {
			b.Run(kind.name+"/"+ask.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					a := route.Ask{Host: ask.host, Path: "/v1/things3/p-7", Method: "GET"}
					if found, _ := table.Find(&a); found == nil {
						b.Fatal("nothing was found")
					}
				}
			})
		}
	}
}

func ExampleTable_Match_wildcard() {
	table, err := route.New([]route.Route{
		{Path: "/", Service: "site"},
		{Host: "*.shop.example", Path: "/", Service: "tenants"},
		{Host: "admin.shop.example", Path: "/", Service: "admin"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, host := range []string{"anna.shop.example", "eu.anna.shop.example", "admin.shop.example", "shop.example"} {
		fmt.Println(host, "goes to", table.Match(host, "/").Service)
	}
	// Output:
	// anna.shop.example goes to tenants
	// eu.anna.shop.example goes to tenants
	// admin.shop.example goes to admin
	// shop.example goes to site
}
