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
	// Name is in the names of the metrics: muster_NAME_requests_total. "" means edge.
	Name string
	// Find, where it is set, makes this the proxy of programs inside the fleet. It finds
	// the target in place of the table, by Host, Path and RPC of the exchange; its error is
	// a *problem.Error. Such a program is trusted as a service is that calls by itself: the
	// rules of calls see its own path, its priority stays, nothing is said of where it is.
	Find func(x *Exchange) (*route.Target, error)
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
	// Valve turns requests away while the processors are behind; nil turns none away.
	Valve *Valve
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
	cfg.Name = cmp.Or(cfg.Name, "edge")
	if cfg.Faults == nil {
		cfg.Faults = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, metrics: newMetrics(cfg.Name)}
	if err := g.metrics.register(cfg); err != nil {
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
