package registry

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

const (
	// saveDelay gathers changes that come together into one write of the file.
	saveDelay = 200 * time.Millisecond
	// saveAgain is when a write that failed is tried again.
	saveAgain = 5 * time.Second
	// looksPerLease is how often in a lease the leases are looked through.
	looksPerLease = 16
)

// Config says how a registry runs. The zero value is a registry without a file.
type Config struct {
	File       string        // keeps membership over restarts, its folder made when missing; "" keeps nothing
	Generation string        // names this run of the fleet; a file of another run is ignored, its instances are gone
	TTL        time.Duration // of a lease; 0 means discovery.LeaseTTL
	// Settings say how services are to be called, where File says nothing of this run.
	Settings map[string]discovery.Settings
	Limits   Limits
	Log      *slog.Logger // nil logs nothing

	// Dial connects to an instance to learn whether it is there, when many fell silent
	// together; nil means over TCP from here. It must return when the context ends.
	Dial func(ctx context.Context, address string) (net.Conn, error)
}

// Registry is the server: an http.Handler over a Store, with the clock, the lock and
// the file that the Store does without. It is safe for concurrent use.
type Registry struct {
	cfg    Config
	log    *slog.Logger
	routes http.Handler
	dirty  chan struct{} // the file is behind
	ended  chan struct{} // closed when Run returns: watches end

	mu      sync.Mutex
	store   *Store
	waiting waiting
	watches int // that wait
}

// New returns a registry with the membership its file holds, each instance with one
// fresh lease to speak in. A file that cannot be used is a warning in the log, and
// the registry starts empty. Leases end and the file is written while Run runs.
func New(cfg Config) *Registry {
	cfg.TTL = cmp.Or(cfg.TTL, discovery.LeaseTTL)
	r := &Registry{
		cfg: cfg, log: cmp.Or(cfg.Log, slog.New(slog.DiscardHandler)),
		dirty: make(chan struct{}, 1), ended: make(chan struct{}),
		store:   NewStore(rand.Text()[:13], cfg.TTL, cfg.Limits, time.Now()),
		waiting: waiting{},
	}
	if cfg.Dial == nil {
		dialer := &net.Dialer{}
		r.cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	r.routes = r.newRoutes()
	if !r.restore() {
		r.set(cfg.Settings)
	}
	return r
}

// ServeHTTP answers the protocol described in package discovery's wire types, under
// /v1/instances, /v1/services and /v1/watch. It refuses browsers: a page from anywhere
// could else make one change who is registered here, or read it by a name that it makes
// point here (DNS rebinding).
func (r *Registry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, browser := req.Header["Origin"]; browser {
		problem.Write(w, req, problem.New(problem.PermissionDenied, "the registry is not for browsers: the request has an Origin header"))
		return
	}
	if p := req.URL.Path; p != path.Clean(p) { // the mux would redirect, which a PUT need not survive
		problem.Write(w, req, noSuchPath(p))
		return
	}
	r.routes.ServeHTTP(w, req)
}

// Catalog returns all instances, by service.
func (r *Registry) Catalog() discovery.Catalog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.store.Catalog()
}

// Lookup returns the instances of one service, sorted by id, and whether the registry
// has ever seen the service.
func (r *Registry) Lookup(service string) (list []discovery.Instance, seen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	list, seen = r.store.Catalog(service).Services[service]
	return list, seen
}

// Run ends leases and writes the file until ctx ends; then it writes the file a last
// time and ends all watches, so that an http.Server can shut down. It may be called
// once.
func (r *Registry) Run(ctx context.Context) {
	defer close(r.ended)
	var work sync.WaitGroup
	work.Go(func() { r.expire(ctx) })
	work.Go(func() { r.keep(ctx) })
	work.Wait()
}

func (r *Registry) expire(ctx context.Context) {
	tick := time.NewTicker(r.cfg.TTL / looksPerLease)
	defer tick.Stop()
	var probes sync.WaitGroup
	defer probes.Wait()
	room := make(chan struct{}, maxProbes)
	for {
		select {
		case <-tick.C:
			var suspects []Suspect
			r.change(func(s *Store, now time.Time) { suspects = s.Expire(now) })
			if len(suspects) > 0 {
				r.doubt(suspects)
				probes.Go(func() { r.probe(ctx, suspects, room) })
			}
		case <-ctx.Done():
			return
		}
	}
}

// change runs f on the store and wakes the watches of what it changed.
func (r *Registry) change(f func(s *Store, now time.Time)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.store.Index()
	f(r.store, time.Now())
	if r.store.Index() == before {
		return
	}
	r.waiting.wake(r.store.history.since(before, r.store.Index()))
	select {
	case r.dirty <- struct{}{}:
	default: // it is known already
	}
}

// keep writes the file after changes.
func (r *Registry) keep(ctx context.Context) {
	if r.cfg.File == "" {
		return
	}
	var again <-chan time.Time
	for ctx.Err() == nil {
		select {
		case <-r.dirty:
		case <-again:
		case <-ctx.Done():
		}
		select {
		case <-time.After(saveDelay):
		case <-ctx.Done():
		}
		again = nil
		if err := r.save(); err != nil {
			r.log.Warn("the registry's membership cannot be kept on disk; a restart now would begin with an older one", "error", err)
			again = time.After(saveAgain)
		}
	}
}
