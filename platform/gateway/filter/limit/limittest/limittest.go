// Package limittest is the suite of what gateways share limits through: three gateways hold
// one limit together over a real store, also while it is away and after. That the store is a
// cache.Shared is cachetest's to show.
package limittest

import (
	"encoding/json"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/limit"
)

// Target is a store that is put to the test.
type Target struct {
	// Open returns a connection of its own, as another gateway would have it. It is closed by
	// the test that calls Run.
	Open func(t *testing.T) cache.Shared
	// Stop ends the server, and Start starts it again at the same place, empty or not.
	Stop, Start func(t *testing.T)
}

const (
	patience = 20 * time.Second // bounds what is waited for on a machine under load
	gateways = 3
	rate     = 300
	burst    = 60
	config   = `{"rate":"300/s burst 60","by":"all","shared":{}}`
	phase    = 600 * time.Millisecond
)

// gateway is one of those that share the limit.
type gateway struct {
	filter.Filter

	metrics *prometheus.Registry
}

// Run runs the whole suite, which takes about seven seconds.
func Run(t *testing.T, target Target) {
	var fleet []*gateway
	for range gateways {
		g := &gateway{metrics: prometheus.NewRegistry()}
		f, err := limit.Make(t.Context(), filter.Env{Name: t.Name(), Log: slog.New(slog.DiscardHandler), Metrics: g.metrics, Store: target.Open(t)}, json.RawMessage(config))
		if err != nil {
			t.Fatal(err)
		}
		g.Filter = f
		fleet = append(fleet, g)
		if c, ok := f.(filter.Closer); ok {
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	all := func() {
		t.Helper()
		await(t, fleet, "muster_edge_limit_store_up", 1)
		await(t, fleet, "muster_edge_limit_gateways", gateways)
	}
	all()
	load(t, "one gateway", fleet[:1], 1)
	load(t, "all of them", fleet, 1)
	target.Stop(t)
	await(t, fleet, "muster_edge_limit_store_up", 0)
	settle(t)
	load(t, "one, without the store", fleet[:1], gateways)
	load(t, "all, without the store", fleet, 1)
	target.Start(t)
	all()
	settle(t)
	load(t, "one, with the store again", fleet[:1], 1)
}

// settle waits until what is leased is lost, and what was used is paid for.
func settle(t *testing.T) { rest(t, 1100*time.Millisecond) }

// rest waits for d, or until the test ends.
func rest(t *testing.T, d time.Duration) {
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}

// load asks for three times what is allowed, and checks that the share of it, 1/share, and
// little more passes.
func load(t *testing.T, what string, fleet []*gateway, share int) {
	t.Helper()
	began := time.Now()
	asked, passed := 0, 0
	var mu sync.Mutex
	var under sync.WaitGroup
	for time.Since(began) < phase {
		for asked < int(3*rate*time.Since(began).Seconds()) {
			g := fleet[asked%len(fleet)]
			asked++
			under.Go(func() {
				r := &filter.Request{Client: netip.MustParseAddr("192.0.2.1"), Began: time.Now(), Fields: &filter.Header{}}
				if g.Request(t.Context(), r) == nil {
					mu.Lock()
					passed++
					mu.Unlock()
				}
			})
		}
		rest(t, time.Millisecond)
	}
	under.Wait()
	took := time.Since(began).Seconds()
	most := int(rate*(took+2)+2*burst) / share
	least := min(asked, int(rate*took)) / share * 7 / 10
	t.Logf("%s: %d of %d requests pass in %.2f s; the limit is %d", what, passed, asked, took, int(rate*took)/share)
	if passed > most || passed < least {
		t.Errorf("%s: %d pass in %.2f s, want %d to %d", what, passed, took, least, most)
	}
}

// await waits until all gateways have a metric at a value.
func await(t *testing.T, fleet []*gateway, name string, want float64) {
	t.Helper()
	for end := time.Now().Add(patience); ; {
		ready := 0
		for _, g := range fleet {
			if g.gauge(t, name) == want {
				ready++
			}
		}
		if ready == len(fleet) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s did not become %v at %d of %d gateways", name, want, len(fleet)-ready, len(fleet))
		}
		rest(t, 10*time.Millisecond)
	}
}

func (g *gateway) gauge(t *testing.T, name string) float64 {
	t.Helper()
	families, err := g.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	return -1
}
