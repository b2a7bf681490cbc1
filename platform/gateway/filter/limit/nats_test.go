package limit_test

import (
	"testing"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/nats/kv"
	"github.com/musterdev/muster/drivers/nats/natstest"
	"github.com/musterdev/muster/platform/gateway/filter/limit/limittest"
)

// Over the broker of a fleet.
func TestNATS(t *testing.T) {
	s := natstest.Start(t, nil)
	limittest.Run(t, limittest.Target{
		Open: func(t *testing.T) cache.Shared {
			store, err := kv.Open(s.URL(), kv.Config{Bucket: "limits", Client: t.Name()})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			return store
		},
		Stop:  func(*testing.T) { s.Stop() },
		Start: func(*testing.T) { s.Start() },
	})
}

// By the URL of the broker alone.
func TestByTheBus(t *testing.T) {
	s := natstest.Start(t, nil)
	e := env()
	e.Bus = s.URL()
	f := build(t, e, `{"rate":"1/h burst 4","shared":{"gateways":4}}`)
	other := env()
	other.Bus = s.URL()
	g := build(t, other, `{"rate":"1/h burst 4","shared":{"gateways":4}}`)
	await(t, func() bool {
		return counted(t, e, "muster_edge_limit_gateways") == 2 && counted(t, other, "muster_edge_limit_gateways") == 2
	})
	if n := passes(t, f, 10, now) + passes(t, g, 10, now); n < 4 || n > 8 {
		t.Errorf("%d pass, where 4 may", n)
	}
}
