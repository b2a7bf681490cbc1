package muster

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/saga"
)

// BusDriver connects to brokers by URL.
type BusDriver interface {
	Driver
	BusSchemes() []string // of MUSTER_BUS_URL: "nats"
	// OpenBus returns at once; a broker that is away is waited for when it is needed.
	// client names the connection for whoever looks at the broker.
	OpenBus(ctx context.Context, url, client string, log *slog.Logger) (bus.Broker, error)
}

// OutboxDriver has the outboxes of databases leave by their logs, see outbox.Stream. It is for whoever
// passes it to With.
type OutboxDriver interface {
	Driver
	OutboxSchemes() []string // of the DATABASE_URLs that it is for; others keep the table
	OutboxStream(url string, log *slog.Logger) (outbox.Stream, error)
}

// subscription is a handler that app.On was given.
type subscription struct {
	pattern string
	handle  bus.Handler
}

// Bus returns the connection to the broker that MUSTER_BUS_URL names; every call
// returns the same. A broker that is away keeps nobody from being ready: what is to be
// published waits in the outbox.
func (a *App) Bus() (bus.Broker, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broker != nil {
		return a.broker, nil
	}
	if a.settings.BusURL == "" {
		return nil, configErrorf("service %q uses events but MUSTER_BUS_URL is not set: set it to nats://HOST:4222, or write publishes: or on: in muster.yaml, so that the fleet has a broker", a.Name())
	}
	driver, err := a.options.bus(a.settings.BusURL)
	if err != nil {
		return nil, err
	}
	broker, err := a.options.openBus(a.ctx, driver, a.settings.BusURL, a.Instance(), a.Log())
	if err != nil {
		return nil, fmt.Errorf("MUSTER_BUS_URL: %w", err)
	}
	a.broker = broker
	return broker, nil
}

// On has handle take the events of the topics that pattern stands for, from Serve on.
// All instances of the service share them, and those of one key come one after the
// other. What fails is tried again; a service with a database parks it there, with all
// later ones of its key, and `muster bus dead` shows what needs a person.
func (a *App) On(pattern string, handle bus.Handler) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.subscriptions = append(a.subscriptions, subscription{pattern, handle})
}

// Outbox makes the outbox's table in the service's database and publishes, while
// Serve runs, what outbox.Append writes there. `muster bus lag` shows what waits there,
// and `muster bus dead` what the broker refused for good.
func (a *App) Outbox() error {
	db, err := a.DB()
	if err != nil {
		return err
	}
	broker, err := a.Bus()
	if err != nil {
		return err
	}
	if err := outbox.Migrate(a.ctx, db); err != nil {
		return fmt.Errorf("the outbox of %q: %w", a.Name(), err)
	}
	stream, err := a.options.outbox(a.settings.DatabaseURL, a.Log())
	if err != nil {
		return fmt.Errorf("the outbox of %q: %w", a.Name(), err)
	}
	relay := &outbox.Relay{
		DB: db, Publisher: bus.Traced(broker, a.telemetry.Traces), Source: "/" + a.Name(), Owner: a.Instance(), Sole: a.settings.Lease != "", Log: a.Log(),
		Stream: stream, Meters: a.telemetry.Meters,
	}
	if !a.relays(relay) {
		return nil
	}
	a.Handle("/.muster/outbox", outbox.Handler(db))
	a.Handle("/.muster/outbox/", outbox.Handler(db))
	return nil
}

// relays adds the worker of a relay; false: there is one.
func (a *App) relays(r *outbox.Relay) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.relay != nil {
		return false
	}
	a.relay = r
	a.workers = append(a.workers, worker{"outbox", r.Run})
	return true
}

// Sagas makes the tables of sagas in the service's database, carries the sagas on while
// Serve runs, and lets `muster saga` see and mend them. It may be called once.
func (a *App) Sagas(sagas ...saga.Definition) (*saga.Engine, error) {
	db, err := a.DB()
	if err != nil {
		return nil, err
	}
	if err := saga.Migrate(a.ctx, db); err != nil {
		return nil, fmt.Errorf("the sagas of %q: %w", a.Name(), err)
	}
	engine, err := saga.New(db, saga.Config{Owner: a.Instance(), Sole: a.settings.Lease != "", Log: a.Log(), Traces: a.telemetry.Traces, Meters: a.telemetry.Meters}, sagas...)
	if err != nil {
		return nil, err
	}
	a.Go("sagas", engine.Run)
	a.Handle("/.muster/sagas", saga.Handler(engine))
	a.Handle("/.muster/sagas/", saga.Handler(engine))
	return engine, nil
}

// consume adds the worker that hands events to the handlers of On.
func (a *App) consume() error {
	a.mu.Lock()
	subscriptions := slices.Clone(a.subscriptions)
	a.mu.Unlock()
	if len(subscriptions) == 0 {
		return nil
	}
	broker, err := a.Bus()
	if err != nil {
		return err
	}
	c := &bus.Consumer{Broker: broker, Group: a.Name(), Log: a.Log(), Traces: a.telemetry.Traces, Meters: a.telemetry.Meters}
	for _, s := range subscriptions {
		if err := c.On(s.pattern, s.handle); err != nil {
			return err
		}
	}
	if a.settings.DatabaseURL != "" {
		if err := a.park(c); err != nil {
			return err
		}
	}
	a.Go("events", c.Run)
	return nil
}

// park lets a consumer put what it cannot handle into the service's database.
func (a *App) park(c *bus.Consumer) error {
	db, err := a.DB()
	if err != nil {
		return err
	}
	if err := inbox.Migrate(a.ctx, db); err != nil {
		return fmt.Errorf("the inbox of %q: %w", a.Name(), err)
	}
	if err := parking.Migrate(a.ctx, db); err != nil {
		return fmt.Errorf("the parked messages of %q: %w", a.Name(), err)
	}
	store, err := parking.New(db)
	if err != nil {
		return err
	}
	c.Parking = store
	a.Handle("/.muster/bus/", parking.Handler(store))
	a.Go("inbox", func(ctx context.Context) error { return a.sweep(ctx, db) })
	return nil
}

// sweepEvery is how often an instance forgets the messages that will not come again.
const sweepEvery = 10 * time.Minute

// sweep keeps the inbox from growing for ever.
func (a *App) sweep(ctx context.Context, db *sql.DB) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if _, err := inbox.Sweep(ctx, db, 0); err != nil && ctx.Err() == nil {
			a.Log().WarnContext(ctx, "the inbox was not swept and will be", "error", err, "in", sweepEvery.String())
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// within gives a context what the work of this service may look for in it.
func (a *App) within(ctx context.Context) context.Context {
	if a.relay == nil {
		return ctx
	}
	return outbox.WithRelay(ctx, a.relay)
}

func (a *App) withinHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(a.within(r.Context())))
	})
}

func (a *App) withinUnary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return handle(a.within(ctx), req)
}

// outbox returns the way out of a database's outbox; nil is the table.
func (o *options) outbox(url string, log *slog.Logger) (outbox.Stream, error) {
	scheme, _, _ := strings.Cut(url, ":")
	for _, d := range o.drivers {
		if b, ok := d.(OutboxDriver); ok && slices.Contains(b.OutboxSchemes(), scheme) {
			return b.OutboxStream(url, log)
		}
	}
	return nil, nil //nolint:nilnil // the table is no error
}

func (o *options) bus(url string) (BusDriver, error) {
	scheme, _, ok := strings.Cut(url, ":")
	if !ok || scheme == "" {
		return nil, configErrorf("MUSTER_BUS_URL has no scheme: write nats://HOST:4222")
	}
	var known []string
	for _, d := range o.drivers {
		if b, ok := d.(BusDriver); ok {
			if slices.Contains(b.BusSchemes(), scheme) {
				return b, nil
			}
			known = append(known, b.BusSchemes()...)
		}
	}
	if len(known) == 0 {
		return nil, configErrorf("MUSTER_BUS_URL is set to %s:… but the service was built without a broker driver: pass one to muster.With", scheme)
	}
	return nil, configErrorf("MUSTER_BUS_URL has the scheme %q; the drivers passed to muster.With know %s", scheme, strings.Join(known, ", "))
}
