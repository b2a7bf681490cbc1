// Package proxy is the edge's work on one request: find its route, choose the
// version, pass it to an instance by package call, pass the answer back, log it,
// count it.
//
// [Exchange] is that work without any HTTP library, for every engine; [Gateway] is
// the http.Handler that does the rest on net/http's types: headers, bodies, streams,
// upgrades.
package proxy

import (
	"cmp"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/route"
)

// Config says what a Gateway works with. Caller, Resolver and Metrics are needed.
type Config struct {
	// Caller makes the calls. Its Timeout should be negative: the Gateway's own
	// AnswerTimeout lets long uploads be.
	Caller *call.Caller
	// Resolver is the Caller's own. Services of a new table are watched at once.
	Resolver discovery.Resolver
	// Metrics gets the Gateway's metrics.
	Metrics prometheus.Registerer
	// Log gets a line for each request; nil: none.
	Log *accesslog.Log
	// Faults is told what an instance answers against the protocol; nil: nobody.
	Faults *slog.Logger
	// AnswerTimeout is how long an instance may be silent before its answer's
	// header, counted from the last byte of the request. gRPC is not bounded: its
	// clients have deadlines. 0 means 30 s.
	AnswerTimeout time.Duration
}

// Gateway passes requests to the services of its table. It is safe for concurrent
// use. Its zero table has no routes.
type Gateway struct {
	cfg     Config
	table   atomic.Pointer[route.Table]
	metrics *metrics
	buffers sync.Pool // of *[bufferSize]byte
}

// New returns a Gateway. It fails when Metrics refuses its metrics, as it does when
// another Gateway registered there.
func New(cfg Config) (*Gateway, error) {
	cfg.AnswerTimeout = cmp.Or(cfg.AnswerTimeout, 30*time.Second)
	if cfg.Faults == nil {
		cfg.Faults = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, metrics: newMetrics()}
	if err := g.metrics.register(cfg.Metrics, cfg.Log); err != nil {
		return nil, err
	}
	g.buffers.New = func() any { return new([bufferSize]byte) }
	empty, err := route.New(nil)
	if err != nil {
		return nil, err
	}
	g.table.Store(empty)
	return g, nil
}

// SetTable takes a table into use. Requests and streams under way are not touched.
func (g *Gateway) SetTable(t *route.Table) {
	for _, service := range t.Services() {
		g.cfg.Resolver.View(service)
	}
	old := g.table.Swap(t)
	g.metrics.forget(old, t)
}

// Table returns the table in use.
func (g *Gateway) Table() *route.Table { return g.table.Load() }

// InFlight returns how many requests are under way, streams and upgraded
// connections among them.
func (g *Gateway) InFlight() int64 { return g.metrics.running.Load() }

// instance returns the id of a service's instance by its address.
func (g *Gateway) instance(service, endpoint, addr string) string {
	for _, in := range g.cfg.Resolver.View(service).Instances() {
		if in.Endpoints[endpoint] == addr {
			return in.ID
		}
	}
	return addr // it left the list this very moment
}
