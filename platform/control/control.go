// Package control is the engine that knows the fleet: its registry, its telemetry and its
// dashboard; later its rollouts and identities. Calls never depend on it: with control
// dead, callers and edge go on with what they knew last.
package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/dashboard"
	"github.com/musterdev/muster/platform/ops"
	"github.com/musterdev/muster/platform/registry"
	"github.com/musterdev/muster/platform/telemetry"
	"github.com/musterdev/muster/platform/telemetry/metrics"
)

// Config says where control keeps what survives a restart.
type Config struct {
	StateDir   string // "": a temporary folder, which goes with it
	Generation string // names this run of the fleet; see registry.Config
	Fleet      string // its name; "" where there is none

	// Retention, Export and Headers are telemetry.Config's.
	Retention map[string]time.Duration
	Export    string
	Headers   map[string]string

	// OTLP says where telemetry is taken besides the service's own port.
	OTLP  Intake
	DNS   int      // port on 127.0.0.1, UDP and TCP, at which services are found by DNS; 0: none
	Hosts []string // names by which browsers may ask for the dashboard, besides localhost and addresses

	// Before returns what answers HTTP requests to the registry in its place, and may pass
	// them on to it; nil: the registry alone. It is how a drill breaks the ways between
	// services that do not know of it: fault.Registry hands out the addresses of its
	// proxies. DNS is answered by the registry itself.
	Before func(registry http.Handler) http.Handler
}

// brokerName is the service that is the platform's broker.
const brokerName = "broker"

// Service returns control as a service like any other, with probes, logs and drain.
// It is told its port by PORT.
func Service(cfg Config) muster.Service {
	return muster.Service{Name: "control", Run: func(ctx context.Context, app *muster.App) (err error) {
		dir, remove, err := cfg.folder()
		if err != nil {
			return err
		}
		defer remove()
		var file string
		if cfg.StateDir != "" {
			file = filepath.Join(dir, "registry.json")
		}
		calls, err := readCalls(filepath.Join(dir, CallsFile))
		if err != nil {
			return err
		}
		reg := registry.New(registry.Config{File: file, Generation: cfg.Generation, Settings: calls, Log: app.Log()})
		seen, err := openSight(cfg, dir, app, reg.Catalog)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, seen.telemetry.Close()) }()
		doors, err := cfg.OTLP.open()
		if err != nil {
			return err
		}
		defer closeAll(doors)
		if err := serveDNS(ctx, cfg.DNS, app, reg); err != nil {
			return err
		}
		app.Handle("/v1/", cfg.inFront(reg))
		seen.serve(app, doors)
		app.Go("registry", func(ctx context.Context) error {
			reg.Run(ctx)
			return nil
		})
		return app.Serve(ctx)
	}}
}

func (cfg Config) inFront(registry http.Handler) http.Handler {
	if cfg.Before == nil {
		return registry
	}
	return cfg.Before(registry)
}

// folder is where everything is kept.
func (cfg Config) folder() (dir string, remove func(), err error) {
	if cfg.StateDir != "" {
		return cfg.StateDir, func() {}, os.MkdirAll(cfg.StateDir, 0o755)
	}
	dir, err = os.MkdirTemp("", "muster-control-")
	return dir, func() { _ = os.RemoveAll(dir) }, err // a temporary folder that stays does no harm
}

// sight is what is seen of the fleet, and where.
type sight struct {
	cfg       Config
	telemetry *telemetry.Telemetry
	changes   *changes
	catalog   func() discovery.Catalog
	ending    context.Context //nolint:containedctx // streams end with it, so that the server can
	end       context.CancelFunc
}

// openSight opens the telemetry. catalog is the registry's.
func openSight(cfg Config, dir string, app *muster.App, catalog func() discovery.Catalog) (*sight, error) {
	s := &sight{cfg: cfg, catalog: catalog}
	s.ending, s.end = context.WithCancel(context.Background())
	sums := &overview{catalog: catalog}
	var err error
	s.telemetry, err = telemetry.Open(telemetry.Config{
		Dir: filepath.Join(dir, "telemetry"), Retention: cfg.Retention, Export: cfg.Export, Headers: cfg.Headers, Namespace: cfg.Fleet,
		Overview: sums.of, Targets: func() []metrics.Target { return targets(catalog()) }, Log: app.Log(),
	})
	if err != nil {
		return nil, fmt.Errorf("the fleet's telemetry: %w", err)
	}
	s.changes = &changes{catalog: catalog, keep: s.telemetry.Keep, store: s.telemetry.Store, log: app.Log()}
	sums.metrics, sums.graph, sums.changes = s.telemetry.Metrics, s.telemetry.Graph(), s.changes
	return s, nil
}

// serve has the service take telemetry and answer what is asked of it.
func (s *sight) serve(app *muster.App, doors []door) {
	intake := s.telemetry.Intake()
	for pattern, h := range intake {
		app.Handle(pattern, guardPrograms(s.cfg.Hosts, h))
	}
	app.Go("OTLP", func(ctx context.Context) error { return serveAll(ctx, doors, s.telemetry) })
	guard := func(h http.Handler) http.Handler { return guardBrowsers(s.cfg.Hosts, h) }
	pages := dashboard.Handler(dashboard.Config{Title: s.cfg.Fleet})
	for pattern, h := range s.telemetry.Answers() {
		app.Handle(pattern, guard(s.endless(h)))
	}
	app.Handle("/v1/stream", guard(s.endless(s.telemetry.Stream())))
	app.Handle("/v1/ops/", guard(ops.Handler(func() *ops.Fleet { return ops.Registered(s.catalog(), brokerName) })))
	app.Handle("/", guard(pages))
	app.Go("telemetry", s.telemetry.Run)
	app.Go("changes", s.changes.run)
	app.Go("streams", func(ctx context.Context) error {
		<-ctx.Done()
		s.end()
		return nil
	})
}

// endless ends requests that would go on for ever when the service ends.
func (s *sight) endless(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		defer context.AfterFunc(s.ending, cancel)()
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}
