package search

import (
	"context"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/shop/events"
)

// Service is search: REST on a read model of its own.
var Service = muster.Service{Name: "search", Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	broker, err := app.Bus()
	if err != nil {
		return err
	}
	if err := projection.Migrate(ctx, db); err != nil {
		return err
	}
	if err := parking.Migrate(ctx, db); err != nil {
		return err
	}
	parked, err := parking.New(db)
	if err != nil {
		return err
	}
	model, err := newModel(projection.Config{
		DB: db, Broker: broker, Parking: parked, Owner: app.Instance(), Log: app.Log(),
		Traces: app.Telemetry().Traces, Meters: app.Telemetry().Meters,
	})
	if err != nil {
		return err
	}
	app.Go("model", model.Run)
	app.Handle("/", routes(finder{model, patience}, app.Log()))
	operations := projection.Handler(model)
	app.Handle("/.muster/projections", operations)
	app.Handle("/.muster/projections/", operations)
	app.Handle(asyncapi.Path, events.Search())
	app.Handle("/.muster/bus/", parking.Handler(parked))
	return app.Serve(ctx)
}
