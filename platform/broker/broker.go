// Package broker is the engine that carries events: an embedded NATS server with
// JetStream, or a cluster elsewhere, and beside it events over HTTP, so that a program
// in any language publishes with a POST and gets its events by POSTs.
//
// The server's store is synced before a message is acknowledged. Each subscribed
// service has a group of its name at the bus; what it cannot take is parked in the
// broker's own database and tried again, as package bus says. The broker knows from a
// file, on its own disk, what to post where, so that it goes on after a restart with
// nobody there to tell it.
package broker

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/drivers/nats"
)

// Config is what the broker is told besides its settings as a service, of which
// DATABASE_URL is needed: what cannot be delivered is parked there.
type Config struct {
	Port     int    // of the NATS protocol, at 127.0.0.1; 0: any free one
	StoreDir string // for the messages; made when it is not there
	MaxStore int64  // bytes of messages; 0: what is there and three quarters of what is free on the disk
	External string // nats://HOST:PORT of a cluster; then no server is embedded. "": embedded

	// Subscriptions is the file of what to post where: JSON, as PUT /v1/subscriptions
	// takes it. "": subscriptions.json in StoreDir. It need not be there.
	Subscriptions string
}

// Service returns the broker as a service like any other, with probes, logs and drain.
// It is told its HTTP port by PORT and serves there:
//
//	POST /v1/events         publish CloudEvents: binary, structured or batched mode;
//	                        202 {"stored": 2, "known": 0}; 503 while the store fails or
//	                        the cluster is away
//	GET  /v1/topics         [{"name": "orders.placed", "messages": 12, …}]
//	GET  /v1/groups         [{"name": "notify", "topics": […], "lag": 3, …}]
//	GET  /v1/subscriptions  [{"service": "notify", "topic": "orders.*", "path": "/events"}]
//	PUT  /v1/subscriptions  replaces them all
//	/.muster/bus/           what is parked: see data/parking
func Service(cfg Config) muster.Service {
	return muster.Service{Name: "broker", Run: func(ctx context.Context, app *muster.App) error {
		return run(ctx, app, cfg)
	}}
}

func run(ctx context.Context, app *muster.App, cfg Config) (err error) {
	if cfg.Subscriptions == "" {
		cfg.Subscriptions = filepath.Join(cfg.StoreDir, "subscriptions.json")
	}
	file := file(cfg.Subscriptions)
	subscriptions, err := file.read()
	if err != nil {
		return err
	}
	parked, err := parked(ctx, app)
	if err != nil {
		return err
	}
	url, health := cfg.External, func() error { return nil }
	if url == "" {
		server, err := Start(ctx, cfg, app.Log())
		if err != nil {
			return err
		}
		defer server.Stop()
		url, health = server.URL(), server.failed
		app.Go("store", server.Watch)
		app.Check("store", func(context.Context) error { return server.Err() })
	}
	connection, err := nats.Driver.OpenBus(ctx, url, app.Instance(), app.Log())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, connection.Close()) }()
	reach := func() error { return nil }
	if c, ok := connection.(interface{ Away() error }); ok && cfg.External != "" {
		reach = c.Away // no check of readiness: a fleet starts, and lives, without its cluster
	}
	admin, ok := connection.(bus.Admin)
	if !ok {
		return errors.New("the broker's driver tells no topics") // all that are here do
	}
	push := &pushers{
		broker: connection, admin: admin, parking: parked, client: app.Client, log: app.Log(),
		traces: app.Telemetry().Traces, meters: app.Telemetry().Meters,
	}
	push.set(subscriptions)
	app.Go("push", push.run)
	a := &api{bus: bus.Traced(connection, app.Telemetry().Traces), admin: admin, health: health, reach: reach, push: push, file: file}
	for pattern, handler := range a.routes() {
		app.Handle(pattern, handler)
	}
	app.Handle("/.muster/bus/", parking.Handler(parked))
	return app.Serve(ctx)
}

func parked(ctx context.Context, app *muster.App) (*parking.Store, error) {
	db, err := app.DB()
	if err != nil {
		return nil, err
	}
	if err := parking.Migrate(ctx, db); err != nil {
		return nil, fmt.Errorf("the table of parked messages: %w", err)
	}
	return parking.New(db)
}
