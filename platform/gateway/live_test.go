package gateway_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/route"
)

// Where services are operated nobody comes through the edge, however it is written and
// whatever is routed.
func TestOperationsStayInside(t *testing.T) {
	in, _ := instance(t, "a-1", says("an instance"))
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{in})
	e := run(t, gateway.Config{Resolver: reg})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/.muster", "/.muster/", "/.muster/sagas", "/.muster/bus/parked?dead=true", "/%2emuster/sagas", "/.muster%2Fsagas",
		"/%2E%6d%75ster/sagas", "/.muster/livez/x", "/.muster//sagas", "//.muster/sagas", "/./.muster/sagas", "/x/../.muster/sagas",
	} {
		if status, body := get(t, e.url+path); status == http.StatusOK || strings.Contains(body, "an instance") {
			t.Errorf("%s: %d %q", path, status, body)
		}
	}
	if status, body := get(t, e.url+"/.muster/sagas"); status != http.StatusNotFound || !strings.Contains(body, `"code":"not_found"`) {
		t.Errorf("%d %s", status, body)
	}
	err := e.admin.SetRoutes(t.Context(), []route.Route{{Path: "/.muster/sagas", Service: "a"}})
	if err == nil || !strings.Contains(err.Error(), "where the edge answers itself") {
		t.Errorf("a route there: %v", err)
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
}

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
	for _, path := range []string{"/.musterx", "/x/.muster"} {
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
