package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
)

// The edge says itself that it is alive, whatever is routed where, and nobody counts it.
func TestLive(t *testing.T) {
	in, _ := instance(t, "a-1", says("an instance"))
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{in})
	e := run(t, gateway.Config{Resolver: reg})
	if status, body := get(t, e.url+gateway.LivePath); status != http.StatusOK || body != "ok\n" {
		t.Errorf("without a route: %d %q", status, body)
	}
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, e.url+gateway.LivePath+"?x"); status != http.StatusOK || body != "ok\n" {
		t.Errorf("with a route: %d %q", status, body)
	}
	res, err := http.Post(e.url+gateway.LivePath, "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %v", res)
	}
	for _, path := range []string{"/.muster/livez/x", "/.muster/other"} {
		if status, body := get(t, e.url+path); status != http.StatusOK || body != "an instance" {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if log := e.log.String(); strings.Count(log, "\n") != 2 || strings.Contains(log, `livez"`) {
		t.Errorf("logged: %s", log)
	}
}
