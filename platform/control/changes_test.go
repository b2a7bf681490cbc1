package control

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

func catalog(epoch string, instances ...string) discovery.Catalog {
	c := discovery.Catalog{Epoch: epoch, Services: map[string][]discovery.Instance{}}
	for _, text := range instances {
		service, rest, _ := strings.Cut(text, "/")
		id, version, _ := strings.Cut(rest, "@")
		c.Services[service] = append(c.Services[service], discovery.Instance{ID: id, Service: service, Version: version})
	}
	return c
}

func TestDifferences(t *testing.T) {
	for name, c := range map[string]struct {
		before, now discovery.Catalog
		want        string
	}{
		"nothing":      {catalog("e", "a/1@v1"), catalog("e", "a/1@v1"), ""},
		"joined":       {catalog("e"), catalog("e", "a/1@v1"), "a joined: 1 joined"},
		"left":         {catalog("e", "a/1@v1", "a/2@v1"), catalog("e", "a/2@v1"), "a left: 1 left"},
		"all left":     {catalog("e", "a/1@v1"), catalog("e"), "a left: 1 left"},
		"version":      {catalog("e", "a/1@v1"), catalog("e", "a/1@v2"), "a version: version v1 became v2"},
		"mixed":        {catalog("e", "a/1@v1"), catalog("e", "a/1@v1", "a/2@v2"), "a joined: 2 joined; a version: version v1 became v1, v2"},
		"new registry": {catalog("e", "a/1@v1", "b/1"), catalog("f", "a/2@v1"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			parts := map[string]bool{}
			for _, d := range differences(c.before, c.now, time.Unix(0, 0)) {
				parts[fmt.Sprintf("%s %s: %s", d.Service, d.Kind, d.Detail)] = true
			}
			want := map[string]bool{}
			for part := range strings.SplitSeq(c.want, "; ") {
				if part != "" {
					want[part] = true
				}
			}
			if fmt.Sprint(parts) != fmt.Sprint(want) {
				t.Errorf("got %v, want %v", parts, want)
			}
		})
	}
}

// A page from elsewhere can neither read nor order, by whatever name it calls.
func TestGuardBrowsers(t *testing.T) {
	h := guardBrowsers([]string{"dash.internal"}, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, c := range []struct {
		host, origin string
		status       int
	}{
		{"127.0.0.1:8081", "", 200},
		{"[::1]:8081", "", 200},
		{"localhost:8081", "http://localhost:8081", 200},
		{"muster.localhost", "", 200},
		{"dash.internal:8081", "http://dash.internal:8081", 200},
		{"evil.example:8081", "", 403},
		{"127.0.0.1:8081", "http://evil.example", 403},
		{"127.0.0.1:8081", "null", 403},
		{"127.0.0.1:8081", "http://127.0.0.1:9999", 403},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("host %s, origin %q: %d, want %d", c.host, c.origin, w.Code, c.status)
		}
	}
}
