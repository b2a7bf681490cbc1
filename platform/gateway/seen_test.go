package gateway_test

import (
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
)

// How the edge's calls stand is told on its admin socket, and not to who comes from
// outside.
func TestCallsOfTheEdge(t *testing.T) {
	in, _ := instance(t, "a-1", says("hello"))
	r := &registry{}
	r.View("a").Set([]discovery.Instance{in})
	e := run(t, gateway.Config{Resolver: r})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		get(t, e.url+"/")
	}
	seen, err := e.admin.Calls(t.Context())
	if err != nil || len(seen.Calls) != 1 || seen.Calls[0].Routes[0].Attempts.OK != 3 || seen.Calls[0].Instances[0].ID != "a-1" {
		t.Errorf("got %+v, %v", seen, err)
	}
	if code, _ := get(t, e.url+"/.muster/calls"); code != 404 {
		t.Errorf("from outside: %d", code)
	}
}
