// Package mustertest runs services in a test on the platform's own engines: a real
// registry, a real edge, a real broker, real databases in a temporary folder, on free ports, in the
// test's process. Nothing is mocked and nothing need be installed.
//
//	fleet := mustertest.Start(t, catalog.Service, orders.Service)
//	fleet.Route("/v1/orders", "orders")
//	res, err := http.Get(fleet.Edge() + "/v1/orders")
//
// Calls between the services go over in-memory listeners with the same clients,
// servers and policies as over a network.
package mustertest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/broker"
	"github.com/musterdev/muster/platform/control"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/route"
)

// readyWithin bounds the start of everything.
const readyWithin = 30 * time.Second

// Config says what runs. Only Services is needed.
type Config struct {
	Services []muster.Service
	// Database returns a service's DATABASE_URL; nil: a SQLite file of its own in
	// the test's temporary folder.
	Database func(service string) string
	// Drivers know the schemes of those URLs; nil: SQLite, and NATS for events.
	Drivers []muster.Driver
	// Env holds further variables, such as CART_EXPIRY; those of a single service
	// begin with its name. With OTEL_EXPORTER_OTLP_ENDPOINT, and drivers/otlp among the
	// Drivers, everything sends its telemetry there, the edge too.
	Env map[string]string
	// Options are added to those of muster.Run.
	Options []muster.Option
}

// Fleet is services that run until their test ends. Its methods are safe for
// concurrent use and fail the test themselves.
type Fleet struct {
	t        testing.TB
	dir      string
	drivers  []muster.Driver
	database func(service string) string
	caller   *call.Caller
	registry *discovery.Client
	edge     string
	bus      string // URL
	admin    *admin.Client

	mu       sync.Mutex
	settings map[string]muster.Settings
	routes   []route.Route

	logMu sync.Mutex // by itself: the edge logs what it is asked while mu is held
	logs  strings.Builder
}

// Start runs services with the defaults of [Config] and returns when all are ready.
// They end, drained, when the test does; the test fails when one of them fails, and
// then shows what they logged.
func Start(t testing.TB, services ...muster.Service) *Fleet {
	t.Helper()
	return Config{Services: services}.Start(t)
}

// Start is [Start] with this configuration.
func (c Config) Start(t testing.TB) *Fleet {
	t.Helper()
	f := &Fleet{t: t, dir: t.TempDir(), drivers: c.Drivers, database: c.Database, settings: map[string]muster.Settings{}}
	if f.drivers == nil {
		f.drivers = []muster.Driver{sqlite.Driver, nats.Driver}
	}
	if f.database == nil {
		f.database = func(service string) string { return "sqlite:" + filepath.Join(f.dir, service+".db") }
	}
	t.Cleanup(f.tell)
	env := map[string]string{}
	for _, s := range c.Services {
		env[prefix(s)+"DATABASE_URL"] = f.database(s.Name)
	}
	maps.Copy(env, c.Env)
	// Control runs by itself: it begins first and ends last, when all have left its
	// registry. So does the broker, which what they publish at their end still reaches.
	f.run([]muster.Service{control.Service(control.Config{})}, env, c.Options)
	env["MUSTER_REGISTRY_URL"] = f.URL("control")
	f.startBroker(env, c.Options)
	f.run(c.Services, env, c.Options)
	f.connect(f.URL("control"), c.Env)
	return f
}

// startBroker starts the broker and tells the services of it.
func (f *Fleet) startBroker(env map[string]string, options []muster.Option) {
	f.t.Helper()
	port := freePort(f.t)
	own := maps.Clone(env)
	own["BROKER_DATABASE_URL"] = "sqlite:" + filepath.Join(f.dir, "broker.db")
	f.run([]muster.Service{broker.Service(broker.Config{Port: port, StoreDir: filepath.Join(f.dir, "broker")})}, own,
		append([]muster.Option{muster.With(sqlite.Driver)}, options...))
	env["MUSTER_BUS_URL"] = fmt.Sprintf("nats://127.0.0.1:%d", port)
	env["MUSTER_EVENTS_URL"] = f.URL("broker")
	f.bus = env["MUSTER_BUS_URL"]
}

// freePort returns a port that nobody listens at now.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, port, _ := net.SplitHostPort(l.Addr().String()) // a TCP listener's address has one
	n, _ := strconv.Atoi(port)
	return n
}

// Bus returns a connection to the fleet's broker, to publish and to look; it is closed
// when the test ends. The broker's events over HTTP are at URL("broker").
func (f *Fleet) Bus() bus.Broker {
	f.t.Helper()
	b, err := nats.Driver.OpenBus(context.Background(), f.bus, f.t.Name(), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = b.Close() }) // the test is over
	return b
}

// prefix is what the variables of a service alone begin with.
func prefix(s muster.Service) string {
	return strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_")) + "_"
}

// run starts the services and arranges their end.
func (f *Fleet) run(services []muster.Service, env map[string]string, more []muster.Option) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, len(services)), make(chan error, 1)
	opts := append([]muster.Option{
		muster.With(f.drivers...), muster.LogTo(logWriter{f}),
		muster.Environment(func(name string) (string, bool) {
			if len(services) == 1 { // muster itself looks for a prefix among several only
				if v, ok := env[prefix(services[0])+name]; ok {
					return v, true
				}
			}
			v, ok := env[name]
			return v, ok
		}),
		muster.OnReady(func(name string, s muster.Settings) {
			f.mu.Lock()
			f.settings[name] = s
			f.mu.Unlock()
			ready <- name
		}),
	}, more...)
	go func() { ended <- muster.Run(ctx, services, opts...) }()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("the services ended with: %v", err)
		}
	})
	f.await("services", len(services), ready, ended)
}

// tell shows, at the end of a test that failed, what the services logged.
func (f *Fleet) tell() {
	if f.t.Failed() {
		f.logMu.Lock()
		defer f.logMu.Unlock()
		f.t.Logf("what the services logged:\n%s", f.logs.String())
	}
}

// connect starts the edge and a caller of the test's own.
func (f *Fleet) connect(registryURL string, env map[string]string) {
	f.t.Helper()
	telemetry := f.telemetry(env)
	registry, err := discovery.NewClient(discovery.ClientConfig{URL: registryURL})
	if err != nil {
		f.t.Fatal(err)
	}
	f.registry = registry
	f.t.Cleanup(f.registry.Close)
	f.caller = call.New(call.Config{Resolver: f.registry})
	f.t.Cleanup(f.caller.Close)

	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	// Not in the test's own folder, which bears its name: a socket's path is 100 bytes at most.
	folder, err := os.MkdirTemp("", "muster")
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = os.RemoveAll(folder) }) // a temporary folder
	socket := filepath.Join(folder, "edge.sock")
	go func() {
		ended <- gateway.Run(ctx, gateway.Config{
			Listen: "127.0.0.1:0", Admin: socket, Resolver: f.registry, Telemetry: telemetry,
			Ready: func(addr net.Addr) { ready <- addr.String() },
		})
	}()
	f.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("the edge ended with: %v", err)
		}
	})
	f.edge = "http://" + f.await("edge", 1, ready, ended)
	f.admin = admin.NewClient(socket)
}

// telemetry is the edge's.
func (f *Fleet) telemetry(env map[string]string) *observe.Telemetry {
	f.t.Helper()
	cfg := observe.Config{
		Service: "edge", Instance: "edge", Log: logWriter{f}, Endpoint: env["OTEL_EXPORTER_OTLP_ENDPOINT"],
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}
	for _, d := range f.drivers {
		if e, ok := d.(observe.Exporter); ok {
			cfg.Exporter = e
		}
	}
	t, err := observe.Start(context.Background(), cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = t.Shutdown(ctx) // whoever took it may have ended
	})
	return t
}

// await waits for n words and returns the last.
func (f *Fleet) await(what string, n int, ready <-chan string, ended chan error) (last string) {
	f.t.Helper()
	timeout := time.After(readyWithin)
	for range n {
		select {
		case last = <-ready:
		case err := <-ended:
			ended <- nil // for the cleanup; this is the place that tells
			f.t.Fatalf("the %s ended before all was ready: %v", what, err)
		case <-timeout:
			f.t.Fatalf("the %s were not ready within %s", what, readyWithin)
		}
	}
	return last
}

// URL returns the base URL of a service itself, past the edge: http://127.0.0.1:PORT.
func (f *Fleet) URL(service string) string {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.settings[service]
	if !ok {
		f.t.Fatalf("no service %q runs in this test", service)
	}
	return fmt.Sprintf("http://127.0.0.1:%d", s.Port)
}

// Edge returns the base URL of the edge. It has the routes that Route gave it.
func (f *Fleet) Edge() string { return f.edge }

// Route has the edge send the requests whose path is path, or below it, to a
// service; a path such as "/pkg.Service/" is one of gRPC.
func (f *Fleet) Route(path, service string) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.routes = append(f.routes, route.Route{Path: path, GRPC: strings.HasSuffix(path, "/") && path != "/", Service: service})
	ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
	defer cancel()
	if err := f.admin.SetRoutes(ctx, f.routes); err != nil {
		f.t.Fatalf("route %s to %s: %v", path, service, err)
	}
}

// Client returns an HTTP client for a service by name, as another service has it.
func (f *Fleet) Client(service string) *http.Client { return f.caller.Client(service) }

// Dial returns a gRPC connection to a service by name, as another service has it.
func (f *Fleet) Dial(service string) grpc.ClientConnInterface { return f.caller.Dial(service) }

// DB opens a service's database a second time, to look at it or to prepare data;
// it is closed when the test ends.
func (f *Fleet) DB(service string) *sql.DB {
	f.t.Helper()
	url := f.database(service)
	for _, d := range f.drivers {
		db, ok := d.(muster.DatabaseDriver)
		if !ok {
			continue
		}
		for _, scheme := range db.Schemes() {
			if strings.HasPrefix(url, scheme+":") {
				return f.open(db, url)
			}
		}
	}
	f.t.Fatalf("no driver of this test opens %s", url)
	return nil
}

func (f *Fleet) open(driver muster.DatabaseDriver, url string) *sql.DB {
	f.t.Helper()
	db, err := driver.Open(context.Background(), url)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = db.Close() }) // the test is over
	return db
}

// logWriter keeps what services log until it is known whether anybody wants it.
type logWriter struct{ f *Fleet }

func (w logWriter) Write(p []byte) (int, error) {
	w.f.logMu.Lock()
	defer w.f.logMu.Unlock()
	return w.f.logs.Write(p)
}
