package route_test

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

func compile(t testing.TB, routes ...route.Route) *route.Table {
	t.Helper()
	table, err := route.New(routes)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestMatch(t *testing.T) {
	table := compile(t,
		route.Route{Path: "/", Service: "web"},
		route.Route{Path: "/v1/products", Service: "catalog"},
		route.Route{Path: "/v1/products/search", Service: "search"},
		route.Route{Path: "/shop.stock.v1.Stock/", GRPC: true, Service: "inventory"},
		route.Route{Host: "admin.example", Path: "/", Service: "admin"},
		route.Route{Host: "api.example", Path: "/v1/products", Service: "api"},
		route.Route{Host: "[::1]", Path: "/six", Service: "six"},
	)
	for _, test := range []struct{ host, path, want string }{
		{"", "/", "web"},
		{"", "/v1", "web"},
		{"", "/v1/products", "catalog"},
		{"", "/v1/products/", "catalog"},
		{"", "/v1/products/p-1", "catalog"},
		{"", "/v1/productsx", "web"}, // by segment, not by letter
		{"", "/v1/products/search", "search"},
		{"", "/v1/products/search/x/y", "search"},
		{"", "/v1/products/searching", "catalog"},
		{"", "/shop.stock.v1.Stock/Reserve", "inventory"},
		{"", "/shop.stock.v1.Stock", "web"}, // no method of it
		{"", "/shop.stock.v1.Stocks/Reserve", "web"},
		{"admin.example", "/v1/products", "admin"}, // a host's routes come first
		{"api.example", "/v1/products/p-1", "api"},
		{"api.example", "/v1/carts", "web"}, // and fall back on those of any host
		{"other.example", "/v1/products", "catalog"},
		{"[::1]", "/six", "six"},
	} {
		got := "none"
		if m := table.Match(test.host, test.path); m != nil {
			got = m.Service
		}
		if got != test.want {
			t.Errorf("%q %q: %s, want %s", test.host, test.path, got, test.want)
		}
	}
}

func TestMatchNothing(t *testing.T) {
	table := compile(t, route.Route{Path: "/v1/products", Service: "catalog"}, route.Route{Host: "a.example", Path: "/x", Service: "x"})
	for _, path := range []string{"", "*", "v1/products", "/", "/v1", "/x", "/v1/Products"} {
		if m := table.Match("", path); m != nil {
			t.Errorf("%q matched %s", path, m.Label)
		}
	}
	if m := compile(t).Match("a", "/"); m != nil {
		t.Errorf("an empty table matched %s", m.Label)
	}
}

// The tree finds what a search through all routes finds.
func TestMatchIsLongestPrefix(t *testing.T) {
	segment := rapid.SampledFrom([]string{"a", "b", "aa", "x.Y"})
	host := rapid.SampledFrom([]string{"", "h", "i.h"})
	rapid.Check(t, func(t *rapid.T) {
		var routes []route.Route
		for range rapid.IntRange(0, 12).Draw(t, "routes") {
			r := route.Route{Host: host.Draw(t, "host"), Service: "s"}
			segments := rapid.SliceOfN(segment, 0, 3).Draw(t, "segments")
			r.Path = "/" + strings.Join(segments, "/")
			if len(segments) == 1 && rapid.Bool().Draw(t, "grpc") {
				r.GRPC, r.Path = true, r.Path+"/"
			}
			if !slices.ContainsFunc(routes, func(o route.Route) bool { return o.Name() == r.Name() }) {
				routes = append(routes, r)
			}
		}
		table, err := route.New(routes)
		if err != nil {
			t.Fatal(err)
		}
		asked := host.Draw(t, "asked host")
		path := "/" + strings.Join(rapid.SliceOfN(segment, 0, 4).Draw(t, "asked"), "/")
		if rapid.Bool().Draw(t, "slash") && path != "/" {
			path += "/"
		}
		want := search(routes, asked, path)
		got := ""
		if m := table.Match(asked, path); m != nil {
			got = m.Label
		}
		if got != want {
			t.Fatalf("%q %q: %q, want %q, of %v", asked, path, got, want, routes)
		}
	})
}

func search(routes []route.Route, host, path string) string {
	var found []route.Route
	for _, r := range routes {
		fits := path == r.Path || strings.HasPrefix(path, strings.TrimSuffix(r.Path, "/")+"/")
		if r.GRPC {
			fits = strings.HasPrefix(path, r.Path)
		}
		if fits && (r.Host == "" || r.Host == host) {
			found = append(found, r)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return slices.MaxFunc(found, func(a, b route.Route) int {
		return cmp.Or(cmp.Compare(len(a.Host), len(b.Host)), cmp.Compare(len(a.Path), len(b.Path)))
	}).Name()
}

func TestMatchDoesNotAllocate(t *testing.T) {
	var routes []route.Route
	for i := range 1000 {
		routes = append(routes, route.Route{Path: fmt.Sprintf("/v%d/things/%d", i%7, i), Service: "s"})
	}
	table := compile(t, append(routes, route.Route{Host: "h.example", Path: "/", Service: "s", Versions: []route.Share{{"a", 1}, {"b", 2}}})...)
	n := testing.AllocsPerRun(100, func() {
		host, _ := route.CanonicalHost("h.example:8080")
		path, _ := route.CanonicalPath("/v3/things/3/of/mine")
		_ = table.Match("", path).Version(7)
		_ = table.Match(host, path).Version(7)
	})
	if n != 0 {
		t.Errorf("a match allocates %v times", n)
	}
}

// Over one round of numbers each version gets exactly its share, and drawn numbers
// come near it.
func TestVersionShares(t *testing.T) {
	table := compile(t, route.Route{Path: "/", Service: "s", Versions: []route.Share{{"v1", 90}, {"v2", 10}, {"v3", 0}}})
	target := table.Match("", "/")
	exact, drawn := map[string]int{}, map[string]int{}
	for n := range 100 {
		exact[target.Version(uint64(n))]++
	}
	if exact["v1"] != 90 || exact["v2"] != 10 || len(exact) != 2 {
		t.Errorf("shares of 100: %v", exact)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		drawn[target.Version(random.Uint64())]++
	}
	if drawn["v2"] < 900 || drawn["v2"] > 1100 || len(drawn) != 2 {
		t.Errorf("shares of 10000 drawn: %v", drawn)
	}
	if v := compile(t, route.Route{Path: "/", Service: "s"}).Match("", "/").Version(5); v != "" {
		t.Errorf("a route without versions chose %q", v)
	}
}

// Nothing that a caller holds reaches into a table.
func TestTableDoesNotChange(t *testing.T) {
	routes := []route.Route{{Path: "/a", Service: "s", Versions: []route.Share{{"v1", 1}}}}
	table := compile(t, routes...)
	routes[0].Service, routes[0].Versions[0].Version = "other", "v2"
	table.Routes()[0].Service = "other"
	if m := table.Match("", "/a"); m.Service != "s" || m.Version(0) != "v1" || table.Routes()[0].Service != "s" {
		t.Errorf("the table changed: %+v, %+v", m, table.Routes())
	}
}

func TestBadTables(t *testing.T) {
	good := route.Route{Path: "/a", Service: "s"}
	with := func(change func(*route.Route)) []route.Route {
		r := good
		change(&r)
		return []route.Route{good, r}
	}
	for name, test := range map[string]struct {
		routes []route.Route
		field  string
	}{
		"no slash":         {with(func(r *route.Route) { r.Path = "a" }), "routes[1].path"},
		"empty path":       {with(func(r *route.Route) { r.Path = "" }), "routes[1].path"},
		"dots":             {with(func(r *route.Route) { r.Path = "/a/../b" }), "routes[1].path"},
		"encoded":          {with(func(r *route.Route) { r.Path = "/a%20b" }), "routes[1].path"},
		"slash at the end": {with(func(r *route.Route) { r.Path = "/b/" }), "routes[1].path"},
		"pattern":          {with(func(r *route.Route) { r.Path = "/b/*" }), "routes[1].path"},
		"long":             {with(func(r *route.Route) { r.Path = "/" + strings.Repeat("b", route.MaxPath) }), "routes[1].path"},
		"grpc, no slash":   {with(func(r *route.Route) { r.Path, r.GRPC = "/p.S", true }), "routes[1].path"},
		"grpc, a method":   {with(func(r *route.Route) { r.Path, r.GRPC = "/p.S/M", true }), "routes[1].path"},
		"grpc, all":        {with(func(r *route.Route) { r.Path, r.GRPC = "/", true }), "routes[1].path"},
		"service":          {with(func(r *route.Route) { r.Path, r.Service = "/b", "S_1" }), "routes[1].service"},
		"host with port":   {with(func(r *route.Route) { r.Host = "a.example:80" }), "routes[1].host"},
		"host, upper case": {with(func(r *route.Route) { r.Host = "A.example" }), "routes[1].host"},
		"host, wildcard":   {with(func(r *route.Route) { r.Host = "*.example" }), "routes[1].host"},
		"twice":            {with(func(*route.Route) {}), "routes[1]"},
		"version":          {with(func(r *route.Route) { r.Path, r.Versions = "/b", []route.Share{{"", 1}} }), "routes[1].versions[0].version"},
		"version twice":    {with(func(r *route.Route) { r.Path, r.Versions = "/b", []route.Share{{"v", 1}, {"v", 1}} }), "routes[1].versions[1].version"},
		"weight":           {with(func(r *route.Route) { r.Path, r.Versions = "/b", []route.Share{{"v", -1}, {"w", 2}} }), "routes[1].versions[0].weight"},
		"no weight":        {with(func(r *route.Route) { r.Path, r.Versions = "/b", []route.Share{{"v", 0}} }), "routes[1].versions"},
		"too many":         {make([]route.Route, route.MaxRoutes+1), "routes"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := route.New(test.routes)
			e, ok := errors.AsType[*problem.Error](err)
			if !ok || e.Code != problem.InvalidArgument || len(e.Details) != 1 || e.Details[0].Field != test.field {
				t.Errorf("err = %v, want one detail of %s", err, test.field)
			}
		})
	}
	if _, err := route.New(make([]route.Route, 1000)); len(problem.From(err).Details) > 20 {
		t.Errorf("a table full of mistakes names %d of them", len(problem.From(err).Details))
	}
}

func ExampleTable_Match() {
	table, err := route.New([]route.Route{
		{Path: "/v1/orders", Service: "orders"},
		{Path: "/v1/orders/export", Service: "reports", Versions: []route.Share{{Version: "v1", Weight: 90}, {Version: "v2", Weight: 10}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, path := range []string{"/v1/orders/17", "/v1/orders/export", "/v1/ordersx"} {
		target := table.Match("", path)
		if target == nil {
			fmt.Println(path, "has no route")
			continue
		}
		fmt.Printf("%s goes to %s, version %q\n", path, target.Service, target.Version(95))
	}
	// Output:
	// /v1/orders/17 goes to orders, version ""
	// /v1/orders/export goes to reports, version "v2"
	// /v1/ordersx has no route
}
