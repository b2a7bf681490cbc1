package ops_test

import (
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/supervise"
	"github.com/musterdev/muster/platform/supervise/instance"
)

// A service that speaks no HTTP is asked nothing: a request would be an attack to some.
func TestServicesOfTCPAreNotAsked(t *testing.T) {
	st := supervise.Status{Services: []supervise.ServiceStatus{
		{Name: "db", Want: 1, Instances: []instance.Status{{ID: "db-1", Phase: instance.Ready, Port: 5432, TCP: true}}},
		{Name: "web", Want: 1, Instances: []instance.Status{{ID: "web-1", Phase: instance.Ready, Port: 8000}}},
	}}
	in := func(id, endpoint, addr string) []discovery.Instance {
		return []discovery.Instance{{ID: id, State: discovery.Ready, Endpoints: map[string]string{endpoint: addr}}}
	}
	catalog := discovery.Catalog{Services: map[string][]discovery.Instance{
		"db": in("db-1", discovery.TCP, "127.0.0.1:5432"), "web": in("web-1", discovery.HTTP, "127.0.0.1:8000"),
	}}
	for from, f := range map[string]*ops.Fleet{"the supervisor": ops.Of(st), "the registry": ops.Registered(catalog, "")} {
		if len(f.Services) != 1 || f.Services[0].Name != "web" || len(f.Services[0].URLs) != 1 {
			t.Errorf("by %s: %+v", from, f.Services)
		}
	}
}
