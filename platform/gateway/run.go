package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/drain"
	"github.com/musterdev/muster/platform/gateway/mirror"
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/snapshot"
	"github.com/musterdev/muster/platform/gateway/valve"
)

// Engine reads requests from connections and writes their answers. It is given what
// to do with a request when it is made: net/http's is given an http.Handler, one that
// needs none the Exchange of package proxy.
type Engine interface {
	// Serve accepts connections until Shutdown, which makes it return nil. It closes l.
	Serve(l net.Listener) error
	// Shutdown accepts no more and waits for the requests in flight; when ctx ends it
	// cuts off those that are left and returns ctx's error.
	Shutdown(ctx context.Context) error
}

var _ Engine = (*nethttp.Engine)(nil)

// edge is one running gateway.
type edge struct {
	cfg     Config
	log     *slog.Logger
	drain   *drain.Resolver
	caller  *call.Caller
	gateway *proxy.Gateway
	valve   valve.Valve
	metrics *prometheus.Registry
	listen  string
	started time.Time

	inside
	secure
	succession

	mu      sync.Mutex // one change of the table at a time
	since   time.Time  // of the table in use
	compile func(snapshot.Document) (*snapshot.Snapshot, error)
}

// Run is an edge from its start to its graceful end, when ctx ends: it accepts no
// more, requests in flight have EndWithin, then it returns nil. It returns an error
// when it cannot start or its listener fails. It needs neither registry nor supervisor
// to start: the table comes from its file, the instances from the last known list.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := cfg.check(); err != nil {
		return err
	}
	e := &edge{cfg: cfg.withDefaults(), metrics: prometheus.NewRegistry(), started: time.Now()}
	telemetry := cfg.Telemetry
	if telemetry == nil {
		if telemetry, err = observe.Start(ctx, observe.Config{Service: "edge"}); err != nil {
			return err
		}
	}
	e.log = telemetry.Logger

	var closing closers
	defer func() { err = errors.Join(err, closing.close()) }()
	e.takeOver(ctx, &closing)
	traffic, err := e.listenTraffic(ctx, &closing)
	if err != nil {
		return err
	}
	admin, err := e.listenAdmin(ctx, &closing)
	if err != nil {
		return err
	}
	if err := e.build(ctx, &closing); err != nil {
		return err
	}
	if err := e.openTLS(ctx, traffic.Addr(), &closing); err != nil {
		return err
	}
	if err := e.caller.Report(telemetry.Meters.Meter("github.com/musterdev/muster/call")); err != nil {
		return fmt.Errorf("metrics of calls: %w", err)
	}
	if err := e.openInside(ctx, telemetry, &closing); err != nil {
		return err
	}
	engine := e.newEngine(telemetry)
	return e.serve(ctx, engine, traffic, admin)
}

// build makes what requests pass through.
func (e *edge) build(ctx context.Context, closing *closers) error {
	resolver := e.cfg.Resolver
	if resolver == nil && len(e.cfg.Instances) > 0 {
		resolver = fixed(e.cfg.Instances)
	}
	if resolver == nil {
		client, err := discovery.NewClient(discovery.ClientConfig{URL: e.cfg.Registry, Service: "edge", Dir: e.cfg.StateDir, Log: e.log})
		if err != nil {
			return fmt.Errorf("registry: %w", err)
		}
		closing.add(func() error { client.Close(); return nil })
		resolver = client
	}
	e.from = resolver
	e.drain = drain.New(resolver)
	closing.add(func() error { e.drain.Close(); return nil })
	e.caller = call.New(call.Config{Resolver: e.drain, Settings: resilience.Settings{Timeout: -1}, Wait: e.cfg.Wait, Log: e.log})
	closing.add(func() error { e.caller.Close(); return nil })

	access, err := e.openLog(closing)
	e.access = access
	if err != nil {
		return err
	}
	if err := errors.Join(e.metrics.Register(collectors.NewGoCollector()),
		e.metrics.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))); err != nil {
		return err
	}
	trusted, err := e.cfg.trusted()
	if err != nil {
		return err
	}
	copies := mirror.New(mirror.Config{Send: e.caller.RoundTrip})
	closing.add(func() error { copies.Close(); return nil })
	e.gateway, err = proxy.New(proxy.Config{
		Caller: e.caller, Resolver: e.drain, Metrics: e.metrics, Log: access, Faults: e.log, AnswerTimeout: e.cfg.AnswerTimeout,
		Valve: &e.valve, Front: e.front, Mirror: copies, Trusted: trusted,
	})
	if err != nil {
		return err
	}
	alive, end := context.WithCancel(context.WithoutCancel(ctx)) // filters work until the last request has ended
	closing.add(func() error { defer end(); return e.gateway.Snapshot().Retire(nil) })
	e.compile = e.compiler(alive)
	e.inherit(ctx)
	return e.loadRoutes()
}

func (e *edge) openLog(closing *closers) (*accesslog.Log, error) {
	out := e.cfg.AccessLogTo
	if out == nil && e.cfg.AccessLog != "" {
		file, err := accesslog.OpenFile(e.cfg.AccessLog)
		if err != nil {
			return nil, err
		}
		closing.add(file.Close)
		out = file
	}
	if out == nil {
		return nil, nil
	}
	access := accesslog.New(out)
	closing.add(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		return access.Close(ctx)
	})
	return access, nil
}

// shed has requests turned away when the edge is behind, where that is wanted, until ctx ends.
func (e *edge) shed(ctx context.Context) {
	if !e.cfg.NoShedding {
		e.valve.Watch(ctx)
	}
}

func (e *edge) serve(ctx context.Context, engine Engine, traffic, admin net.Listener) error {
	orders := &http.Server{Handler: e.adminHandler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 3+len(e.ways))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := engine.Serve(traffic); err != nil {
			failed <- fmt.Errorf("the edge at %s failed: %w", e.listen, err)
		}
	})
	failing, settled := context.WithCancel(context.WithoutCancel(ctx))
	defer settled()
	serving.Go(func() {
		select {
		case err := <-e.tcp.Failed():
			failed <- err
		case <-failing.Done():
		}
	})
	serving.Go(func() { e.shed(failing) })
	listeners, engines := []net.Listener{traffic, admin}, []Engine{engine}
	for _, way := range e.ways {
		listeners = append(listeners, way.listen)
		by := engine
		if way.engine != nil {
			by, engines = way.engine, append(engines, way.engine)
		}
		serving.Go(func() {
			if err := by.Serve(way.listen); err != nil {
				failed <- fmt.Errorf("the %s failed: %w", way.name, err)
			}
		})
		e.log.Info("serving too", "entrance", way.name)
	}
	err := e.succeed()
	serving.Go(func() {
		if err := orders.Serve(admin); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("the admin socket %s failed: %w", e.cfg.Admin, err)
		}
	})
	e.log.Info("serving", "listen", e.listen, "routes", e.gateway.Table().Len(), "admin", e.cfg.Admin)
	if e.cfg.Ready != nil && err == nil {
		e.cfg.Ready(traffic.Addr())
	}
	within, left := e.cfg.EndWithin, false
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-failed:
		case to := <-e.left:
			within, left = to.drain, true
			e.leave(ctx, to, listeners, engines)
		}
	}
	e.log.Info("ending", "in_flight", e.gateway.InFlight())
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), within)
	defer cancel()
	sooner := context.AfterFunc(ctx, func() { time.AfterFunc(e.cfg.EndWithin, cancel) }) // told to end while it drains
	defer sooner()
	var ending sync.WaitGroup
	for _, one := range engines {
		ending.Go(func() {
			if cut := one.Shutdown(end); cut != nil {
				e.log.Warn("requests were cut off at the end's bound", "bound", within.String())
			}
		})
	}
	ending.Go(func() {
		if left {
			e.awaitConnections(end)
		}
		if cut := e.tcp.Shutdown(end); cut != nil {
			e.log.Warn("connections were cut off at the end's bound", "bound", within.String())
		}
	})
	ending.Wait()
	settled()
	_ = orders.Close() // orders are not for an edge that ends
	serving.Wait()
	return err
}

// closers are run in the reverse of their order.
type closers struct{ list []func() error }

func (c *closers) add(f func() error) { c.list = append(c.list, f) }

func (c *closers) close() error {
	var errs []error
	for _, f := range slices.Backward(c.list) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}
