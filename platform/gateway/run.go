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
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/proxy"
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
	valve   proxy.Valve
	metrics *prometheus.Registry
	listen  string
	started time.Time

	inside

	mu    sync.Mutex // one change of the table at a time
	since time.Time  // of the table in use
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
	traffic, err := e.listenTraffic(ctx, &closing)
	if err != nil {
		return err
	}
	admin, err := e.listenAdmin(ctx, &closing)
	if err != nil {
		return err
	}
	if err := e.build(&closing); err != nil {
		return err
	}
	if err := e.caller.Report(telemetry.Meters.Meter("github.com/musterdev/muster/call")); err != nil {
		return fmt.Errorf("metrics of calls: %w", err)
	}
	if err := e.openInside(ctx, telemetry, &closing); err != nil {
		return err
	}
	engine := nethttp.New(nethttp.Config{Handler: own(telemetry.EdgeHandler(e.gateway)), Log: e.log})
	return e.serve(ctx, engine, traffic, admin)
}

// build makes what requests pass through.
func (e *edge) build(closing *closers) error {
	resolver := e.cfg.Resolver
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
	e.gateway, err = proxy.New(proxy.Config{
		Caller: e.caller, Resolver: e.drain, Metrics: e.metrics, Log: access, Faults: e.log, AnswerTimeout: e.cfg.AnswerTimeout,
		Valve: &e.valve,
	})
	if err != nil {
		return err
	}
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

func (e *edge) serve(ctx context.Context, engine Engine, traffic, admin net.Listener) error {
	orders := &http.Server{Handler: e.adminHandler(), ReadHeaderTimeout: 5 * time.Second, ErrorLog: slog.NewLogLogger(e.log.Handler(), slog.LevelDebug)}
	failed := make(chan error, 3+len(e.ways))
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := engine.Serve(traffic); err != nil {
			failed <- fmt.Errorf("the edge at %s failed: %w", e.listen, err)
		}
	})
	serving.Go(func() {
		if err := orders.Serve(admin); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("the admin socket %s failed: %w", e.cfg.Admin, err)
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
	serving.Go(func() { e.valve.Watch(failing) })
	for _, way := range e.ways {
		serving.Go(func() {
			if err := way.engine.Serve(way.listen); err != nil {
				failed <- fmt.Errorf("the %s failed: %w", way.name, err)
			}
		})
		e.log.Info("serving too", "entrance", way.name)
	}
	e.log.Info("serving", "listen", e.listen, "routes", len(e.gateway.Table().Routes()), "admin", e.cfg.Admin)
	if e.cfg.Ready != nil {
		e.cfg.Ready(traffic.Addr())
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	e.log.Info("ending", "in_flight", e.gateway.InFlight())
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.cfg.EndWithin)
	defer cancel()
	var ending sync.WaitGroup
	for _, way := range append(e.ways, entrance{engine: engine}) {
		ending.Go(func() {
			if cut := way.engine.Shutdown(end); cut != nil {
				e.log.Warn("requests were cut off at the end's bound", "bound", e.cfg.EndWithin.String(), "entrance", way.name)
			}
		})
	}
	ending.Go(func() {
		if cut := e.tcp.Shutdown(end); cut != nil {
			e.log.Warn("connections were cut off at the end's bound", "bound", e.cfg.EndWithin.String())
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
