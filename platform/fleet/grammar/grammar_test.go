package grammar_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/fleet/grammar"
)

func ExampleRoute() {
	for _, s := range []string{"/v1/products", "shop.example/v1", "*.shop.example/v1", "/shop.v1.Cart/", "/v1//products/"} {
		t, err := grammar.Route(s)
		fmt.Printf("%q %q %v %v\n", t.Host, t.Path, t.GRPC, err)
	}
	// Output:
	// "" "/v1/products" false <nil>
	// "shop.example" "/v1" false <nil>
	// "*.shop.example" "/v1" false <nil>
	// "" "/shop.v1.Cart/" true <nil>
	// "" "" false route "/v1//products/" is not canonical; write "/v1/products"
}

func ExampleGoRun() {
	flags, pkg := grammar.GoRun([]string{"go", "run", "-race", "./cmd/cart", "-v"})
	fmt.Println(flags, pkg)
	// Output: [-race] ./cmd/cart
}

func TestLabel(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "cart": true, "user-data": true, "a1": true, "a--b": true, strings.Repeat("a", 40): true,
		"": false, "1a": false, "-a": false, "a-": false, "A": false, "a_b": false, "a.b": false, "é": false, "a\n": false, strings.Repeat("a", 41): false,
	} {
		if _, err := grammar.Label(s); (err == nil) != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestLongRoute(t *testing.T) {
	for length, want := range map[int]bool{512: true, 513: false} {
		if _, err := grammar.Route("/" + strings.Repeat("a", length-1)); (err == nil) != want {
			t.Errorf("%d characters: %v", length, err)
		}
	}
}

// What the bus itself takes is taken here, and nothing else.
func TestTopics(t *testing.T) {
	for s, want := range map[string][2]bool{ // as a topic, as a pattern
		"orders.placed": {true, true}, "a.b-1.c_2": {true, true}, "orders.*": {false, true}, "orders.*.failed": {false, true},
		"orders": {}, "*": {}, "*.placed": {}, "Orders.placed": {}, "orders.": {}, "orders.1": {}, "a.b.c.d.e.f.g.h.i": {}, "": {},
	} {
		topic, err := grammar.Topic(s)
		if (err == nil) != want[0] || topic != s {
			t.Errorf("topic %q: %v", s, err)
		}
		if err != nil && strings.HasPrefix(err.Error(), "bus:") {
			t.Errorf("%q: the line begins with a package's name: %v", s, err)
		}
		if _, err := grammar.TopicPattern(s); (err == nil) != want[1] {
			t.Errorf("pattern %q: %v", s, err)
		}
	}
}

func TestPaths(t *testing.T) {
	for s, want := range map[string]bool{"/": true, "/readyz": true, "/a/b~c": true, "": false, "a": false, "/a/": false, "/a//b": false, "/a/../b": false, "/a?b": false, "/a b": false, "/%41": false} {
		if _, err := grammar.Path(s); (err == nil) != want {
			t.Errorf("path %q: %v", s, err)
		}
		if got, err := grammar.Post("POST " + s); (err == nil) != want || want && got != s {
			t.Errorf("POST %q: %q, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "POST", "PUT /a", "post /a", "POST  /a", "/a"} {
		if _, err := grammar.Post(s); err == nil {
			t.Errorf("%q was accepted", s)
		}
	}
	for s, want := range map[string]bool{"*.js": true, "**/*.go": true, "../x/*": true, "": false, "/etc/*": false, "[a": false} {
		if _, err := grammar.Glob(s); (err == nil) != want {
			t.Errorf("glob %q: %v", s, err)
		}
	}
}

func TestGoRun(t *testing.T) {
	for _, test := range []struct{ command, flags, pkg string }{
		{"go run ./cmd/x", "", "./cmd/x"},
		{"go run . a b", "", "."},
		{"go run example.com/m/cmd", "", "example.com/m/cmd"},
		{"go run main.go x", "", "main.go"},
		{"go run -race -tags a,b ./x -v", "-race -tags a,b", "./x"},
		{"go run --tags=a ./x", "--tags=a", "./x"},
		{"go run -mod mod ./x", "-mod mod", "./x"},
		{"go run a.go b.go", "", ""},
		{"go run x@latest", "", ""},
		{"go run -C dir .", "", ""},
		{"go run -exec sudo .", "", ""},
		{"go run -tags", "", ""},
		{"go run -tags a", "", ""},
		{"go run ${PKG}", "", ""},
		{"go run -tags ${T} ./x", "", ""},
		{"go run ./x ${PORT}", "", "./x"},
		{"go run", "", ""},
		{"go build ./x", "", ""},
		{"./go run x", "", ""},
	} {
		flags, pkg := grammar.GoRun(strings.Fields(test.command))
		if strings.Join(flags, " ") != test.flags || pkg != test.pkg {
			t.Errorf("%s: %q %q", test.command, flags, pkg)
		}
	}
}

func TestAddresses(t *testing.T) {
	for _, test := range []struct{ text, engine, url string }{
		{"sqlite", "sqlite", ""},
		{"postgres", "postgres", ""},
		{"sqlite:x.db", "sqlite", "sqlite:x.db"},
		{"postgresql://h/d?x=${Y}", "postgres", "postgresql://h/d?x=${Y}"},
		{"mysql://h/d", "mysql", "mysql://h/d"},
		{"postgres:x", "", ""},
		{"postgres://", "", ""},
		{"postgres://a b", "", ""},
		{"", "", ""},
	} {
		engine, url, err := grammar.Database(test.text)
		if engine != test.engine || url != test.url || (err == nil) != (test.engine != "") {
			t.Errorf("%q: %q %q %v", test.text, engine, url, err)
		}
	}
	nats := grammar.URL("nats", "kafka")
	for s, want := range map[string]bool{
		"nats://h:4222": true, "kafka://a,b": true, "nats://${HOST}": true, "nats://u:${P}@h": true,
		"nats:": false, "nats://": false, "http://h": false, "h:4222": false, "nats://a b": false, "nats://[::": false, "nats://h:port": false,
	} {
		if _, err := nats(s); (err == nil) != want {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func TestReferences(t *testing.T) {
	services, err := grammar.References("${A} ${services.b.url} ${services.c-d.host} ${services.b.port:-1} $${services.x.url}")
	if err != nil || !slices.Equal(services, []string{"b", "c-d", "b"}) {
		t.Errorf("%v, %v", services, err)
	}
	for _, s := range []string{"${", "${services.a}", "${services.a.b.c}", "${service.a.url}", "${services.a.uri}", "${a.b}"} {
		if _, err := grammar.References(s); err == nil {
			t.Errorf("%s was accepted", s)
		}
	}
}

// FuzzRoute checks that what is accepted is canonical, that a form an error offers
// is itself accepted when it is canonical, and that errors are one line.
func FuzzRoute(f *testing.F) {
	for _, s := range []string{"/", "/v1", "/v1/", "//", "h.x/", "/a.B/", "/a/../B/", "H.X//a/", "/%2f", "/%41", "x", "h:1/x", "http://x", "/*", "/é", "", "*.h.x/", "*/", "*.x/", "*.H.x/", "h.*/", "*.1.2/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := grammar.Route(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") {
				t.Errorf("%q", err)
			}
			return
		}
		if r.Host+r.Path != s {
			t.Errorf("%q became %q", s, r.Host+r.Path)
		}
		if strings.Contains(r.Path, "//") || strings.Contains(r.Path+"/", "/../") || strings.Contains(r.Path+"/", "/./") || strings.ContainsAny(r.Path, "%?#*{} \x00") {
			t.Errorf("%q is not canonical", s)
		}
		if i := strings.LastIndexByte(r.Host, '*'); i > 0 || i == 0 && !strings.HasPrefix(r.Host, "*.") {
			t.Errorf("%q has a wildcard in its midst", s)
		}
		if strings.HasSuffix(r.Path, "/") != (r.GRPC || r.Path == "/") {
			t.Errorf("%q ends wrongly, gRPC %v", s, r.GRPC)
		}
	})
}

func TestWildcardRoute(t *testing.T) {
	for _, good := range []string{"*.shop.example/", "*.a.shop.example/v1", "*.localhost/", "*.xn--bcher-kva.example/", "*.shop.example/a.B/"} {
		if r, err := grammar.Route(good); err != nil || r.Host+r.Path != good {
			t.Errorf("%q: %+v, %v", good, r, err)
		}
	}
	const (
		inside = "not the whole first label"
		nobody = "begins with no host"
	)
	for bad, want := range map[string]string{
		"*/": inside, "*a.shop.example/": inside, "a.*.example/": inside, "shop.*/v1": inside, "*.*.shop.example/": inside, "**.shop.example/": inside,
		"*./": nobody, "*..example/": nobody, "*.-a.example/": nobody, "*._a.example/": nobody, "*." + strings.Repeat("a.", 126) + "a/": nobody,
		"*.com/": `such as "*.example.com"`, "*.0.0.1/": "part of an address", "*.7/": "part of an address", "*.Shop.example/v1": `write "*.shop.example/v1"`,
		"*.shop.example:80/": "names a port", "*.shop.example": `write "*.shop.example/"`, "*.shop.example/v1/": `write "*.shop.example/v1"`, "*.shop.example/*": "takes all paths below it",
	} {
		if _, err := grammar.Route(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", bad, err, want)
		}
	}
}

func TestServerName(t *testing.T) {
	for _, good := range []string{"a.example", "*.a.example", "localhost", "*.com", "xn--bcher-kva.example", "a-b.c1"} {
		if got, err := grammar.ServerName(good); err != nil || got != good {
			t.Errorf("%q: %q, %v", good, got, err)
		}
	}
	for bad, want := range map[string]string{
		"": "is no DNS name", "*": "is no DNS name", "*.": "is no DNS name", "a..b": "is no DNS name", "a.*.b": "is no DNS name", "-a.b": "is no DNS name",
		"a.b:443": "is no DNS name", strings.Repeat("a.", 127) + "a": "is no DNS name", "A.Example": `write "a.example"`, "*.A.b": `write "*.a.b"`,
		"10.0.0.1": "is an address", "*.0.0.1": "is an address", "a.7": "is an address", "::1": "is no DNS name",
	} {
		if _, err := grammar.ServerName(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", bad, err, want)
		}
	}
}
