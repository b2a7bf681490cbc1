package route_test

import (
	"fmt"
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

func TestCanonicalPath(t *testing.T) {
	for raw, want := range map[string]string{
		"/":                       "/",
		"/v1/products":            "/v1/products",
		"/v1/products/":           "/v1/products/",
		"/a/%70roducts":           "/a/products",
		"/a%20b":                  "/a b",
		"/%C3%BCber":              "/über",
		"/über":                   "/über",
		"/%e0%a0%80%f0%90%80%80":  "/\u0800\U00010000",
		"/caf%e9":                 "/caf\xe9",
		"/a%2E%2Eb":               "/a..b",
		"/...":                    "/...",
		"/.well-known/x":          "/.well-known/x",
		"/a;v=1/b":                "/a;v=1/b",
		"/%252e%252e":             "/%2e%2e", // once decoded it is no dot segment
		"/shop.Stock/Reserve":     "/shop.Stock/Reserve",
		`/a"b|c`:                  `/a"b|c`,
		"/a%25":                   "/a%",
		"/q%3Fx%23y":              "/q?x#y",
		"/users/a@b:c,d=e&f+g~h!": "/users/a@b:c,d=e&f+g~h!",
	} {
		if got, err := route.CanonicalPath(raw); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{
		"", "*", "a", "http://x/", "//", "/a//b", "//a", "/a//", "/.", "/..", "/a/./b", "/a/../b", "/a/..", "/%2e%2e/b", "/.%2E/b", "/%2e",
		"/a/..;/b", "/a/..;x=1/b", "/.;/b", "/a%2fb", "/a%2Fb", "/a%5cb", "/a%5Cb", `/a\b`, `\a`, "/a%00b", "/a\x00b", "/a%0d%0ab", "/a\nb", "/a%7f", "/a b",
		"/a%c0%afb", "/a%C0%AEb", "/a\xc1\x9cb", "/%e0%80%af", "/%f0%80%80%af", "/a#b", "/a?b", "/%", "/%4", "/%zz", "/a%4", "/a%g0",
	} {
		if got, err := route.CanonicalPath(raw); err == nil || problem.CodeOf(err) != problem.InvalidArgument {
			t.Errorf("%q: %q, %v; want a refusal", raw, got, err)
		}
	}
}

// Whatever is let through means the same to every reader: net/url decodes it alike,
// cleaning changes nothing, its segments are those of the raw path, and encoding it
// again comes back to it.
func FuzzCanonicalPath(f *testing.F) {
	for _, s := range []string{"/", "/a/b", "/a//b", "/%2e%2e/", "/a%2fb", "/..;/", "/%25%32%66", "/a%00", `/\`, "/ü%c3%bc/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := route.CanonicalPath(raw)
		if err != nil {
			return
		}
		if want, err := url.PathUnescape(raw); err != nil || got != want {
			t.Fatalf("%q: %q, net/url reads %q, %v", raw, got, want, err)
		}
		if clean := path.Clean(got); clean != got && clean+"/" != got {
			t.Fatalf("%q: %q cleaned is %q", raw, got, clean)
		}
		if strings.Count(got, "/") != strings.Count(raw, "/") || strings.ContainsAny(got, "\\\x00\r\n") {
			t.Fatalf("%q: %q", raw, got)
		}
		again, err := route.CanonicalPath((&url.URL{Path: got}).EscapedPath())
		if err != nil || again != got {
			t.Fatalf("%q: %q encoded again is %q, %v", raw, got, again, err)
		}
	})
}

func TestCanonicalHost(t *testing.T) {
	for header, want := range map[string]string{
		"":                   "",
		"shop.example":       "shop.example",
		"Shop.Example:8080":  "shop.example",
		"shop.example.":      "shop.example",
		"shop.example.:80":   "shop.example",
		"127.0.0.1:8080":     "127.0.0.1",
		"[::1]":              "[::1]",
		"[FE80::1]:443":      "[fe80::1]",
		"localhost:":         "localhost",
		"my_service":         "my_service",
		"xn--bcher-kva.test": "xn--bcher-kva.test",
	} {
		if got, err := route.CanonicalHost(header); err != nil || got != want {
			t.Errorf("%q: %q, %v; want %q", header, got, err, want)
		}
	}
	for _, header := range []string{
		":80", ".", "..", ".a", "a..b", "a..", "a b", "a/b", "a@b", "a,b", "a:b", "a:80:90", "::1", "[::1", "[::1]x", "[::1]:x", "a:123456", "bücher.test", "a\x00",
		strings.Repeat("a", 256), "[a]", "a]", "[]:1]",
	} {
		if got, err := route.CanonicalHost(header); err == nil {
			t.Errorf("%q: %q; want a refusal", header, got)
		}
	}
}

func FuzzCanonicalHost(f *testing.F) {
	for _, s := range []string{"a", "A:1", "[::1]:2", "a.", "[", "]", "a:", "..", ".a", "a..b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		got, err := route.CanonicalHost(header)
		if err != nil || got == "" {
			return
		}
		if again, err := route.CanonicalHost(got); err != nil || again != got {
			t.Fatalf("%q: %q, once more %q, %v", header, got, again, err)
		}
		if strings.ToLower(got) != got || strings.ContainsAny(got, " /@,\\") {
			t.Fatalf("%q: %q", header, got)
		}
	})
}

func ExampleCanonicalPath() {
	for _, raw := range []string{"/v1/%70roducts", "/v1/../admin", "/files/a%2Fb"} {
		path, err := route.CanonicalPath(raw)
		fmt.Println(path, err)
	}
	// Output:
	// /v1/products <nil>
	//  invalid_argument: the path of the request has a dot segment: /./ or /../
	//  invalid_argument: the path of the request has an encoded slash
}
