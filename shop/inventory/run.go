package inventory

import (
	"context"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/shop/background"
	"github.com/musterdev/muster/shop/events"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Service is inventory: a gRPC contract and the worker that ends leases.
var Service = muster.Service{Name: "inventory", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := app.Outbox(); err != nil {
		return err
	}
	s := NewServer(db)
	telling, span := app.Telemetry().Traces.Tracer("inventory").Start(ctx, "announce") // else who hears of it would not know from whom
	err = s.Announce(telling)
	span.End()
	if err != nil {
		return err
	}
	inventoryv1.RegisterInventoryServer(app.GRPC(), s)
	app.Handle(asyncapi.Path, events.Inventory())
	app.Go("expire", background.Every(time.Second, app.Log(), "expire", s.Expire))
	return app.Serve(ctx)
}
