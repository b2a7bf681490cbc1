package orders

import (
	"context"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/shop/background"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Service is orders: REST, and the worker that carries on what a crash left.
var Service = muster.Service{Name: "orders", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := idempotency.Migrate(ctx, db); err != nil {
		return err
	}
	s := &orders{
		db: db, log: app.Log(),
		cart:      cartv1.NewCartClient(app.Dial("cart")),
		inventory: inventoryv1.NewInventoryClient(app.Dial("inventory")),
	}
	api, err := routes(s)
	if err != nil {
		return err
	}
	app.Handle("/", api)
	app.Go("resume", background.Every(time.Second, app.Log(), "resume", s.resume))
	app.Go("keys", background.Every(time.Minute, app.Log(), "keys", background.Keys(db)))
	return app.Serve(ctx)
}
