package muster

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/observe"
)

// App is what a service's Run gets: its settings, its database, its servers and its
// calls to others. Its methods are safe for concurrent use until Serve is called;
// Client, Dial, Log and the names are safe at any time.
type App struct {
	ctx       context.Context //nolint:containedctx // Run's: what opens the database ends with it
	service   Service
	settings  Settings
	options   *options
	pipes     *pipes
	telemetry *observe.Telemetry
	caller    *call.Caller
	door      *admission.Controller
	registry  *discovery.Client // nil: not registered
	probes    observe.Probes
	endAll    func()  // tells every service of the process to end
	leave     func()  // says that no call from outside is in flight any more
	outside   counter // gRPC calls from outside; only counted beside siblings
	grpc      *grpc.Server
	health    *health.Server

	mu      sync.Mutex
	mux     *http.ServeMux
	workers []worker
	broken  []error // handlers that cannot serve
	db      *sql.DB
	served  bool
	pool    atomic.Pointer[sql.DB] // db, for who must not wait while it is migrated

	broker        bus.Broker
	relay         *outbox.Relay // set before Serve, if at all
	subscriptions []subscription
}

type worker struct {
	name string
	run  func(context.Context) error
}

// Name returns the service's name.
func (a *App) Name() string { return a.settings.Service }

// Instance returns the id of this running copy.
func (a *App) Instance() string { return a.settings.Instance }

// Version returns the service's version.
func (a *App) Version() string { return a.settings.Version }

// Zone returns the zone the instance runs in, or "".
func (a *App) Zone() string { return a.settings.Zone }

// Log returns the service's logger. Records logged with a request's context carry
// its trace and request id.
func (a *App) Log() *slog.Logger { return a.telemetry.Logger }

// Telemetry returns what makes the service's traces and metrics, for those of its own:
// app.Telemetry().Traces.Tracer("orders"). Its owner, who shuts it down, is the App.
func (a *App) Telemetry() *observe.Telemetry { return a.telemetry }

// DB returns the service's own database, opened by the driver that knows
// DATABASE_URL and migrated to the newest version; every call returns the same pool.
// It is closed when the service ends; a service that is told to end while it opens
// or migrates gives up.
func (a *App) DB() (*sql.DB, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.db != nil {
		return a.db, nil
	}
	if a.settings.DatabaseURL == "" {
		return nil, configErrorf("service %q needs a database but DATABASE_URL is not set: set it to sqlite:FILE or postgres://…, or write database: true in muster.yaml", a.Name())
	}
	driver, err := a.options.database(a.settings.DatabaseURL)
	if err != nil {
		return nil, err
	}
	db, err := a.options.openDatabase(a.ctx, driver, a.settings.DatabaseURL)
	if err != nil {
		return nil, fmt.Errorf("DATABASE_URL: %w", err)
	}
	if a.service.Migrations != nil {
		if err := migrate.Run(a.ctx, db, a.service.Migrations); err != nil {
			_ = db.Close() // the migration's error is the one to report
			return nil, fmt.Errorf("migrate the database of %q: %w", a.Name(), err)
		}
	}
	if err := a.telemetry.WatchPool(a.Name(), db); err != nil {
		_ = db.Close() // as above
		return nil, fmt.Errorf("watch the connections to the database of %q: %w", a.Name(), err)
	}
	a.probes.Add("database", db.PingContext)
	a.db = db
	a.pool.Store(db)
	return db, nil
}

// Client returns an HTTP client for another service: a request to
// http://NAME/path goes to the instance chosen for it, with deadline, identity and
// trace, and is repeated where that is safe. A redirect to another host is returned,
// not followed.
func (a *App) Client(service string) *http.Client {
	return &http.Client{Transport: a.telemetry.Transport(a.caller.Transport(service)), CheckRedirect: call.StayWithin}
}

// Dial returns a gRPC connection to another service, with the same care as Client.
// It connects at the first call and needs no closing.
func (a *App) Dial(service string) grpc.ClientConnInterface { return a.caller.Dial(service) }

// GRPC returns the service's gRPC server, to register services at. Health and
// reflection are there; errors of package problem become status errors.
func (a *App) GRPC() *grpc.Server { return a.grpc }

// Handle registers an HTTP handler for a pattern of http.ServeMux. /livez, /readyz
// and /startupz are the service's probes and never reach it. A handler that has a
// method Err() error and returns one, such as a rest.API with an operation that
// cannot be, makes Serve fail.
func (a *App) Handle(pattern string, h http.Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if made, ok := h.(interface{ Err() error }); ok && made.Err() != nil {
		a.broken = append(a.broken, fmt.Errorf("the handler of %q: %w", pattern, made.Err()))
	}
	a.mux.Handle(pattern, h)
}

// Go adds a background worker that starts with Serve and whose context ends when
// the service drains. A worker that returns an error ends the service.
func (a *App) Go(name string, run func(ctx context.Context) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.workers = append(a.workers, worker{name, run})
}

// Check makes the service's readiness depend on check, which gets 2 s and runs
// beside the other checks.
func (a *App) Check(name string, check func(ctx context.Context) error) {
	a.probes.Add(name, check)
}
