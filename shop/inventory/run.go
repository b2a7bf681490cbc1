package inventory

import (
	"context"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/shop/background"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Service is inventory: a gRPC contract and the worker that ends leases.
var Service = muster.Service{Name: "inventory", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	s := NewServer(db)
	inventoryv1.RegisterInventoryServer(app.GRPC(), s)
	app.Go("expire", background.Every(time.Second, app.Log(), "expire", s.Expire))
	return app.Serve(ctx)
}
