package route_test

import (
	"cmp"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/route"
)

func TestFind(t *testing.T) {
	no := false
	table := compile(t,
		route.Route{Path: "/", Service: "web"},
		route.Route{Path: "/v1/x", Service: "read", Methods: []string{"GET"}},
		route.Route{Path: "/v1/x", Service: "write", Methods: []string{"POST", "PUT"}},
		route.Route{Path: "/v1/x", Service: "beta", Methods: []string{"GET"}, Headers: []route.Condition{{Name: "x-beta", Value: "1"}}},
		route.Route{Path: "/v1/x", Service: "german", Headers: []route.Condition{{Name: "Accept-Language", Prefix: "de"}, {Name: "X-Plain", Present: &no}}},
		route.Route{Path: "/v1/x", Service: "debug", Query: []route.Condition{{Name: "de bug"}, {Name: "v", Pattern: "[0-9]+"}}},
		route.Route{Host: "only.example", Path: "/api", Service: "api", Methods: []string{"GET"}},
		route.Route{Path: "/v1/one", Service: "one", Exact: true},
		route.Route{Path: "/root", Service: "exactly", Exact: true, Methods: []string{"GET"}},
	)
	for _, test := range []struct {
		method, host, path, query string
		fields                    filter.Header
		want                      string
	}{
		{"GET", "", "/v1/x/7", "", nil, "read"},
		{"HEAD", "", "/v1/x", "", nil, "read"},
		{"PUT", "", "/v1/x", "", nil, "write"},
		{"DELETE", "", "/v1/x", "", nil, "web"}, // the longest path that takes it
		{"GET", "", "/v1/x", "", filter.Header{{Name: "X-BETA", Value: "1"}}, "beta"},
		{"GET", "", "/v1/x", "", filter.Header{{Name: "X-Beta", Value: "2"}, {Name: "X-Beta", Value: "1"}}, "beta"},
		{"GET", "", "/v1/x", "", filter.Header{{Name: "X-Beta", Value: "11"}}, "read"},
		{"POST", "", "/v1/x", "", filter.Header{{Name: "X-Beta", Value: "1"}}, "write"},
		{"POST", "", "/v1/x", "", filter.Header{{Name: "Accept-Language", Value: "de-AT"}}, "german"},
		{"POST", "", "/v1/x", "", filter.Header{{Name: "Accept-Language", Value: "de"}, {Name: "X-Plain", Value: ""}}, "write"},
		{"GET", "", "/v1/x", "de+bug&v=12", nil, "debug"},
		{"GET", "", "/v1/x", "v=12&de%20bug=no", nil, "debug"},
		{"GET", "", "/v1/x", "v=12a&de%20bug", nil, "read"},
		{"GET", "", "/v1/x", "v=%3&de+bug", nil, "read"},
		{"OPTIONS", "", "/v1/x", "", filter.Header{{Name: "Origin", Value: "https://a"}, {Name: "Access-Control-Request-Method", Value: "POST"}}, "write"},
		{"OPTIONS", "", "/v1/x", "", nil, "web"},
		{"POST", "only.example", "/api", "", nil, "web"},
		{"GET", "only.example", "/api/x", "", nil, "api"},
		{"GET", "", "/v1/one", "", nil, "one"},
		{"GET", "", "/v1/one/", "", nil, "web"},
		{"GET", "", "/v1/one/two", "", nil, "web"},
	} {
		found, allow := table.Find(&route.Ask{Method: test.method, Host: test.host, Path: test.path, Query: test.query, Fields: &test.fields})
		if found == nil || found.Service != test.want || allow != nil {
			t.Errorf("%s %s%s?%s %v: %+v, %v; want %s", test.method, test.host, test.path, test.query, test.fields, found, allow, test.want)
		}
	}
	if len(table.Routes()) != table.Len() || table.Len() != 9 {
		t.Errorf("%d routes", table.Len())
	}
}

func TestAllow(t *testing.T) {
	table := compile(t,
		route.Route{Path: "/x", Service: "read", Methods: []string{"GET"}},
		route.Route{Path: "/x", Service: "purge", Methods: []string{"PURGE"}},
		route.Route{Path: "/x", Service: "write", Methods: []string{"PUT"}, Headers: []route.Condition{{Name: "X-May"}}},
	)
	for path, want := range map[string]string{"/x": "[GET HEAD PURGE]", "/y": "[]"} {
		found, allow := table.Find(&route.Ask{Method: "POST", Path: path, Fields: &filter.Header{}})
		if found != nil || fmt.Sprint(allow) != want {
			t.Errorf("%s: %v, allowed %v, want %s", path, found, allow, want)
		}
	}
}

// The tree finds what a search through all routes finds, whatever they ask for.
func TestFindIsTheBest(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b"})
	method := rapid.SampledFrom([]string{"GET", "POST", "PUT"})
	word := rapid.SampledFrom([]string{"", "1", "2"})
	condition := func(t *rapid.T, name string) []route.Condition {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		return []route.Condition{{Name: name, Value: word.Draw(t, name+" value")}}
	}
	rapid.Check(t, func(t *rapid.T) {
		var routes []route.Route
		for range rapid.IntRange(0, 12).Draw(t, "routes") {
			r := route.Route{Service: "s", Path: "/" + strings.Join(rapid.SliceOfN(segment, 0, 2).Draw(t, "segments"), "/")}
			r.Exact = rapid.Bool().Draw(t, "exact")
			r.Methods = rapid.SliceOfNDistinct(method, 0, 2, rapid.ID[string]).Draw(t, "methods")
			r.Headers, r.Query = condition(t, "h"), condition(t, "q")
			if !slices.ContainsFunc(routes, func(o route.Route) bool { return o.Name() == r.Name() }) {
				routes = append(routes, r)
			}
		}
		table, err := route.New(routes)
		if err != nil {
			t.Fatal(err)
		}
		a := route.Ask{
			Path: "/" + strings.Join(rapid.SliceOfN(segment, 0, 3).Draw(t, "asked"), "/"), Method: method.Draw(t, "method"),
			Fields: &filter.Header{},
		}
		if v := word.Draw(t, "header"); v != "" {
			a.Fields.Add("H", v)
		}
		if v := word.Draw(t, "query"); v != "" {
			a.Query = "q=" + v
		}
		found, allow := table.Find(&a)
		got := ""
		if found != nil {
			got = found.Label
		}
		want, missed := searchAll(routes, a)
		if got != want || (len(allow) > 0) != (want == "" && missed) {
			t.Fatalf("%+v: %q, allowed %v; want %q, of %v", a, got, allow, want, routes)
		}
	})
}

// searchAll is what [route.Table.Find] says it does, one route after the other.
func searchAll(routes []route.Route, a route.Ask) (name string, missed bool) {
	type hit struct {
		r  route.Route
		at int
	}
	holds := func(list []route.Condition, values func(string) []string) bool {
		for _, c := range list {
			got := values(c.Name)
			if len(got) == 0 || c.Value != "" && !slices.Contains(got, c.Value) {
				return false
			}
		}
		return true
	}
	query, _ := url.ParseQuery(a.Query)
	var fit []hit
	for i, r := range routes {
		below := strings.HasPrefix(a.Path, strings.TrimSuffix(r.Path, "/")+"/") && !r.Exact
		if a.Path != r.Path && !below || !holds(r.Headers, a.Fields.Values) || !holds(r.Query, func(n string) []string { return query[n] }) {
			continue
		}
		if len(r.Methods) > 0 && !slices.Contains(r.Methods, a.Method) {
			missed = true
			continue
		}
		fit = append(fit, hit{r, i})
	}
	if len(fit) == 0 {
		return "", missed
	}
	asks := func(r route.Route) int { return len(r.Headers) + len(r.Query) + min(1, len(r.Methods)) }
	exact := func(r route.Route) int {
		if r.Exact {
			return 1
		}
		return 0
	}
	return slices.MaxFunc(fit, func(a, b hit) int {
		return cmp.Or(cmp.Compare(len(a.r.Path), len(b.r.Path)), cmp.Compare(exact(a.r), exact(b.r)), cmp.Compare(asks(a.r), asks(b.r)), cmp.Compare(b.at, a.at))
	}).r.Name(), missed
}

func TestOutward(t *testing.T) {
	for _, test := range []struct {
		r              route.Route
		raw, want, can string
	}{
		{route.Route{Path: "/api", Rewrite: &route.Rewrite{Prefix: "/"}}, "/api/v1/x", "/v1/x", "/v1/x"},
		{route.Route{Path: "/api", Rewrite: &route.Rewrite{Prefix: "/"}}, "/api", "/", "/"},
		{route.Route{Path: "/api", Rewrite: &route.Rewrite{Prefix: "/"}}, "/api/", "/", "/"},
		{route.Route{Path: "/api", Rewrite: &route.Rewrite{Prefix: "/"}}, "/%61pi/a%20b/", "/a%20b/", "/a b/"},
		{route.Route{Path: "/api/v1", Rewrite: &route.Rewrite{Prefix: "/old one/v0"}}, "/api/v1/x", "/old%20one/v0/x", "/old one/v0/x"},
		{route.Route{Path: "/", Rewrite: &route.Rewrite{Prefix: "/site"}}, "/", "/site/", "/site/"},
		{route.Route{Path: "/", Rewrite: &route.Rewrite{Prefix: "/site"}}, "/a/b", "/site/a/b", "/site/a/b"},
		{route.Route{Path: "/a", Rewrite: &route.Rewrite{Path: "/fixed"}}, "/a/b/c", "/fixed", "/fixed"},
		{route.Route{Path: "/a", Rewrite: &route.Rewrite{Host: "b.example"}}, "/a/%62", "/a/%62", "/a/b"},
		{route.Route{Path: "/a"}, "/a/%62", "/a/%62", "/a/b"},
	} {
		test.r.Service = "s"
		canonical, err := route.CanonicalPath(test.raw)
		if err != nil {
			t.Fatal(err)
		}
		target := compile(t, test.r).Match("", canonical)
		raw, can, err := target.Outward(test.raw, canonical)
		if err != nil || raw != test.want || can != test.can {
			t.Errorf("%s by %+v: %q, %q, %v; want %q, %q", test.raw, test.r.Rewrite, raw, can, err, test.want, test.can)
		}
	}
	// what is taken off must not uncover where services are operated
	target := compile(t, route.Route{Path: "/api", Service: "s", Rewrite: &route.Rewrite{Prefix: "/"}}).Match("", "/api")
	for _, path := range []string{"/api/.muster", "/api/.muster/sagas", "/api/%2emuster/x"} {
		canonical, _ := route.CanonicalPath(path)
		if raw, _, err := target.Outward(path, canonical); err == nil {
			t.Errorf("%s leads to %s", path, raw)
		}
	}
}

// A rewritten path is canonical, and has what followed the route's path.
func TestOutwardIsCanonical(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b c", "ü", "d.e", "%"})
	path := func(t *rapid.T, name string, least int) string {
		return "/" + strings.Join(rapid.SliceOfN(segment, least, 3).Draw(t, name), "/")
	}
	rapid.Check(t, func(t *rapid.T) {
		own, prefix, below := path(t, "own", 0), path(t, "prefix", 0), path(t, "below", 0)
		if strings.ContainsAny(own+prefix, "%") {
			t.Skip()
		}
		table, err := route.New([]route.Route{{Path: own, Service: "s", Rewrite: &route.Rewrite{Prefix: prefix}}})
		if err != nil {
			t.Skip("not a path of a route")
		}
		asked := strings.TrimSuffix(own, "/") + below
		raw := (&url.URL{Path: asked}).EscapedPath()
		gotRaw, got, err := table.Match("", asked).Outward(raw, asked)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := route.CanonicalPath(gotRaw); err != nil || again != got {
			t.Fatalf("%q is %q, %v, not %q", gotRaw, again, err, got)
		}
		if want := strings.TrimSuffix(prefix, "/") + below; got != want {
			t.Fatalf("%q by %q for %q: %q, want %q", asked, prefix, own, got, want)
		}
	})
}

func TestLocation(t *testing.T) {
	for _, test := range []struct {
		to                        route.Redirect
		scheme, host, path, query string
		want                      string
		status                    int
	}{
		{route.Redirect{Scheme: "https"}, "http", "a.example", "/x/%20y", "q=1", "https://a.example/x/%20y?q=1", 308},
		{route.Redirect{Scheme: "https"}, "https", "a.example", "/x", "", "", 0},
		{route.Redirect{Scheme: "https", Port: 8443, Status: 301}, "http", "[::1]", "/x", "", "https://[::1]:8443/x", 301},
		{route.Redirect{Host: "b.example"}, "https", "a.example", "/x", "", "https://b.example/x", 308},
		{route.Redirect{Prefix: "/new"}, "http", "a.example", "/x/y", "a=b", "/new/y?a=b", 308},
		{route.Redirect{Path: "/new", Status: 303}, "http", "", "/x/y", "", "/new", 303},
	} {
		r := route.Route{Path: "/x", Redirect: &test.to, Service: "s", Rewrite: nil}
		got, status, err := compile(t, r).Match("", "/x").Location(test.scheme, test.host, test.path, test.query)
		if err != nil || got != test.want || status != test.status {
			t.Errorf("%+v: %q, %d, %v; want %q, %d", test.to, got, status, err, test.want, test.status)
		}
	}
	target := compile(t, route.Route{Path: "/", Redirect: &route.Redirect{Scheme: "https", Host: "", Port: 1}}).Match("", "/")
	if got, _, err := target.Location("http", "", "/", ""); err == nil {
		t.Errorf("a request without a host is sent to %q", got)
	}
	if got, _, err := target.Location("http", "a", "/", "a b"); err == nil {
		t.Errorf("a query with a space is sent to %q", got)
	}
}

func TestDeprecated(t *testing.T) {
	date := func(s string) route.Date {
		d, err := route.ParseDate(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	d := route.Deprecated{Since: date("2026-01-02"), Sunset: date("2026-12-31T23:59:59Z"), Link: "https://example.com/v2", Gone: true}
	h := &filter.Header{{Name: "Link", Value: "<x>; rel=next"}}
	d.Tell(h)
	if got := fmt.Sprint(*h); got != `[{Link <x>; rel=next} {Deprecation @1767312000} {Sunset Thu, 31 Dec 2026 23:59:59 GMT} {Link <https://example.com/v2>; rel="deprecation"}]` {
		t.Errorf("told %s", got)
	}
	if d.Over(d.Sunset.Add(-time.Second)) || !d.Over(d.Sunset.Time) {
		t.Error("it is over at another time")
	}
	d.Gone = false
	if d.Over(d.Sunset.Add(time.Hour)) {
		t.Error("it is over although nobody said so")
	}
}

// When shares change, a client changes its version only where that is needed.
func TestVersionOf(t *testing.T) {
	of := func(weights ...int) *route.Target {
		r := route.Route{Path: "/", Service: "s"}
		for i, w := range weights {
			r.Versions = append(r.Versions, route.Share{Version: fmt.Sprint("v", i+1), Weight: w})
		}
		return compile(t, r).Match("", "/")
	}
	before, after := of(90, 10), of(70, 30)
	moved, second := 0, 0
	const clients = 10_000
	for i := range uint64(clients) {
		key := i * 0x9e3779b97f4a7c15
		a, b := before.VersionOf(key), after.VersionOf(key)
		if a != b {
			moved++
			if a != "v1" {
				t.Fatalf("a client of %s moved to %s", a, b)
			}
		}
		if b == "v2" {
			second++
		}
	}
	if moved < clients/10 || moved > clients*3/10 || second < clients/4 || second > clients*35/100 {
		t.Errorf("%d moved, %d are at v2", moved, second)
	}
	if v := of().VersionOf(7); v != "" {
		t.Errorf("a route without versions chose %q", v)
	}
}

func TestBadOptions(t *testing.T) {
	for name, test := range map[string]struct {
		r     route.Route
		field string
	}{
		"method":            {route.Route{Methods: []string{"get"}}, "methods[0]"},
		"method, trace":     {route.Route{Methods: []string{"GET", "TRACE"}}, "methods[1]"},
		"method twice":      {route.Route{Methods: []string{"GET", "GET"}}, "methods[1]"},
		"header name":       {route.Route{Headers: []route.Condition{{Name: "a b"}}}, "headers[0].name"},
		"host as a header":  {route.Route{Headers: []route.Condition{{Name: "host", Value: "a"}}}, "headers[0].name"},
		"two conditions":    {route.Route{Query: []route.Condition{{Name: "a", Value: "b", Prefix: "c"}}}, "query[0]"},
		"pattern":           {route.Route{Query: []route.Condition{{Name: "a", Pattern: "("}}}, "query[0].pattern"},
		"pattern, escapes":  {route.Route{Query: []route.Condition{{Name: "a", Pattern: "a)|(b"}}}, "query[0].pattern"},
		"body":              {route.Route{MaxBody: -1}, "max_body"},
		"sticky":            {route.Route{Sticky: &route.Sticky{}}, "sticky"},
		"sticky twice":      {route.Route{Sticky: &route.Sticky{Client: true, Header: "X"}}, "sticky"},
		"sticky cookie":     {route.Route{Sticky: &route.Sticky{Cookie: "a;b"}}, "sticky.cookie"},
		"sticky age":        {route.Route{Sticky: &route.Sticky{Client: true, MaxAge: 1}}, "sticky.max_age"},
		"rewrite both":      {route.Route{Rewrite: &route.Rewrite{Prefix: "/a", Path: "/b"}}, "rewrite"},
		"rewrite dots":      {route.Route{Rewrite: &route.Rewrite{Prefix: "/a/.."}}, "rewrite.prefix"},
		"rewrite operates":  {route.Route{Rewrite: &route.Rewrite{Path: "/.muster/sagas"}}, "rewrite.path"},
		"rewrite host":      {route.Route{Rewrite: &route.Rewrite{Host: "A"}}, "rewrite.host"},
		"rewrite nothing":   {route.Route{Rewrite: &route.Rewrite{}}, "rewrite"},
		"redirect nowhere":  {route.Route{Redirect: &route.Redirect{}}, "redirect"},
		"redirect status":   {route.Route{Redirect: &route.Redirect{Status: 200, Path: "/a"}}, "redirect.status"},
		"redirect scheme":   {route.Route{Redirect: &route.Redirect{Scheme: "ftp"}}, "redirect.scheme"},
		"rewrite for none":  {route.Route{Redirect: &route.Redirect{Path: "/a"}, Rewrite: &route.Rewrite{Path: "/b"}}, "rewrite"},
		"mirror":            {route.Route{Mirror: &route.Mirror{Service: "S"}}, "mirror.service"},
		"mirror body":       {route.Route{Mirror: &route.Mirror{Service: "s", MaxBody: 1 << 30}}, "mirror.max_body"},
		"mirror percent":    {route.Route{Mirror: &route.Mirror{Service: "s", Percent: 101}}, "mirror.percent"},
		"deprecated":        {route.Route{Deprecated: &route.Deprecated{}}, "deprecated.since"},
		"gone without date": {route.Route{Deprecated: &route.Deprecated{Since: route.Date{Time: time.Unix(1, 0)}, Gone: true}}, "deprecated.gone"},
		"link":              {route.Route{Deprecated: &route.Deprecated{Since: route.Date{Time: time.Unix(1, 0)}, Link: "a\r\nb"}}, "deprecated.link"},
	} {
		test.r.Path, test.r.Service = "/a", "s"
		if found := route.Check(test.r); len(found) != 1 || found[0].Field != test.field {
			t.Errorf("%s: %v, want %s", name, found, test.field)
		}
	}
	if found := route.Check(route.Route{Path: "/a"}); len(found) != 1 || found[0].Field != "service" {
		t.Errorf("a route to nowhere: %v", found)
	}
	if found := route.Check(route.Route{Path: "/a", Redirect: &route.Redirect{Scheme: "https"}}); len(found) != 1 || found[0].Field != "service" {
		t.Errorf("https to nowhere: %v", found)
	}
	if found := route.Check(route.Route{Path: "/p.S/", GRPC: true, Service: "s", Redirect: &route.Redirect{Scheme: "https"}, Mirror: &route.Mirror{Service: "t"}}); len(found) != 2 {
		t.Errorf("gRPC: %v", found)
	}
}

func ExampleTable_Find() {
	table, err := route.New([]route.Route{
		{Path: "/v1/orders", Service: "orders"},
		{Path: "/v1/orders", Service: "orders-beta", Headers: []route.Condition{{Name: "X-Beta", Value: "1"}}},
		{Path: "/v1/export", Service: "reports", Methods: []string{"GET"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range []route.Ask{
		{Method: "GET", Path: "/v1/orders/17", Fields: &filter.Header{{Name: "X-Beta", Value: "1"}}},
		{Method: "GET", Path: "/v1/orders/17", Fields: &filter.Header{}},
		{Method: "POST", Path: "/v1/export"},
	} {
		target, allow := table.Find(&a)
		if target == nil {
			fmt.Println("no route; allowed:", allow)
			continue
		}
		fmt.Println(target.Label, "goes to", target.Service)
	}
	// Output:
	// /v1/orders X-Beta=1 goes to orders-beta
	// /v1/orders goes to orders
	// no route; allowed: [GET HEAD]
}

// A parameter does not lead round a route that some programs take the path for.
func TestParametersAreDoubtful(t *testing.T) {
	table, err := route.New([]route.Route{{Path: "/", Service: "a"}, {Path: "/admin/users", Service: "a"}, {Path: "/v;1", Service: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, doubtful := range map[string]bool{
		"/admin;x": true, "/admin;x/users": true, "/admin/users;x": true, "/admin;/users": true,
		"/admin/users": false, "/other;x": false, "/v;1": false, "/admin/other;x": false, "/admin/users/u;x": false, ";/": false,
	} {
		ask := route.Ask{Path: path}
		if table.Find(&ask); ask.Doubtful != doubtful {
			t.Errorf("%s: doubtful is %v", path, ask.Doubtful)
		}
	}
}
