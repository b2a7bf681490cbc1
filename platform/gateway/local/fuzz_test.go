package local

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// Whatever a request line says, the service is the first part of its path as it stands
// there, and what the gateway sees is the rest of it and the same query.
func FuzzServiceInPath(f *testing.F) {
	for _, target := range []string{
		"/catalog/v1/products?page=2", "/catalog", "/catalog?x", "/catalog?/y", "//catalog/x", "/cat%61log/x", "/catalog//x", "/catalog/%2e%2e/x", "/catalog/a%2Fb?%",
		"http://localhost/catalog/x?y", "http://localhost", "/", "/Catalog/x", "/a", "/catalog/catalog", "*", "/catalog/%", "/catalog/\u00fc%zz", "/catalog??a",
	} {
		f.Add(target)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n")))
		if err != nil || strings.ContainsAny(target, " \r\n") {
			return
		}
		raw, query, _ := strings.Cut(target, "?")
		before := *r.URL
		service := first(r.URL.EscapedPath())
		got := below(r, service)
		if got.Host != service || *r.URL != before || r.RequestURI != target {
			t.Fatalf("%q: host %q, or the request itself was changed", target, got.Host)
		}
		if service == "" {
			if got.URL.Path != before.Path {
				t.Fatalf("%q: no service, and yet the path is %q", target, got.URL.Path)
			}
			return
		}
		if got.URL.RawQuery != before.RawQuery || "/"+service+got.URL.Path != before.Path && (before.Path != "/"+service || got.URL.Path != "/") {
			t.Fatalf("%q: %s is asked for %q with %q", target, service, got.URL.Path, got.URL.RawQuery)
		}
		if !strings.HasPrefix(raw, "/") {
			return // made anew from the URL
		}
		path, asked, _ := strings.Cut(got.RequestURI, "?")
		if asked != query || "/"+service+path != raw && (raw != "/"+service || path != "/") {
			t.Fatalf("%q: %s is asked for %q", target, service, got.RequestURI)
		}
	})
}
