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
	"github.com/musterdev/muster/platform/gateway/callers"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/addresses"
	"github.com/musterdev/muster/platform/gateway/mirror"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/platform/gateway/sticky"
	"github.com/musterdev/muster/platform/gateway/valve"
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
	// Front is asked before the table, once host and path are canonical; rawPath is the path
	// as it came. Its error answers the request, as a filter's would. nil: nobody is asked.
	Front func(r *filter.Request, rawPath string) error
	// AnswerTimeout is how long an instance may be silent before its answer's
	// header, counted from the last byte of the request. gRPC is not bounded: its
	// clients have deadlines. 0 means 30 s.
	AnswerTimeout time.Duration
	// Trusted are the proxies in front of the edge, which are believed for whom they ask; nil: none.
	Trusted *addresses.Set
	// Mirror sends the copies that routes ask for; nil: nobody gets any.
	Mirror *mirror.Sender
	// Valve turns requests away while the processors are behind; nil turns none away.
	Valve *valve.Valve
}

// Gateway passes requests to the services of its table. It is safe for concurrent
// use. Its zero table has no routes.
type Gateway struct {
	cfg     Config
	use     atomic.Pointer[use]
	metrics *metrics
	full    prepared  // of valve.ErrFull
	buffers sync.Pool // of *[bufferSize]byte

	outdated callers.Deprecated
	tokens   sticky.Tokens // of instances in cookies
}

// New returns a Gateway. It fails when Metrics refuses its metrics, as it does when
// another Gateway registered there.
func New(cfg Config) (*Gateway, error) {
	cfg.AnswerTimeout = cmp.Or(cfg.AnswerTimeout, 30*time.Second)
	cfg.Name = cmp.Or(cfg.Name, "edge")
	if cfg.Faults == nil {
		cfg.Faults = slog.New(slog.DiscardHandler)
	}
	g := &Gateway{cfg: cfg, metrics: newMetrics(cfg.Name), full: prepare(valve.ErrFull)}
	if err := g.metrics.register(cfg); err != nil {
		return nil, err
	}
	g.buffers.New = func() any { return new([bufferSize]byte) }
	g.Use(snapshot.Empty())
	return g, nil
}

// use is a snapshot as a Gateway has taken it into use.
type use struct {
	*snapshot.Snapshot

	series   []*series // by Target.Index
	unrouted *series
}

// Use takes a snapshot into use and returns the one before, whose filters the caller
// retires; nil at first. Requests and streams under way go on by what they began with.
func (g *Gateway) Use(s *snapshot.Snapshot) (before *snapshot.Snapshot) {
	for _, service := range s.Services() {
		g.cfg.Resolver.View(service)
	}
	old := g.use.Swap(g.metrics.follow(s))
	if old == nil {
		return nil
	}
	g.metrics.forget(old.Snapshot, s)
	g.outdated.Keep(s.Table)
	return old.Snapshot
}

// SetTable takes a table without filters into use, see [Gateway.Use].
func (g *Gateway) SetTable(t *route.Table) { g.Use(snapshot.Of(t)) }

// Snapshot returns what is in use.
func (g *Gateway) Snapshot() *snapshot.Snapshot { return g.use.Load().Snapshot }

// Table returns the table in use.
func (g *Gateway) Table() *route.Table { return g.use.Load().Table }

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
