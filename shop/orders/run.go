package orders

import (
	"context"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/shop/background"
	"github.com/musterdev/muster/shop/events"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	inventoryv1 "github.com/musterdev/muster/shop/proto/inventory/v1"
)

// Service is orders: REST, the saga, and what the saga's steps are answered by event.
var Service = muster.Service{Name: "orders", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := idempotency.Migrate(ctx, db); err != nil {
		return err
	}
	s := newOrders(db, cartv1.NewCartClient(app.Dial("cart")), inventoryv1.NewInventoryClient(app.Dial("inventory")))
	if err := app.Outbox(); err != nil {
		return err
	}
	if _, err := app.Sagas(s.checkout); err != nil {
		return err
	}
	app.Handle("/", routes(s, app.Log()))
	app.Handle(asyncapi.Path, events.Orders())
	app.On(events.PaymentCaptured.Name, inbox.Once(db, events.PaymentCaptured, s.onCaptured))
	app.On(events.PaymentDeclined.Name, inbox.Once(db, events.PaymentDeclined, s.onDeclined))
	app.On(events.PaymentRefunded.Name, inbox.Once(db, events.PaymentRefunded, s.onRefunded))
	app.On(events.ParcelBooked.Name, inbox.Once(db, events.ParcelBooked, s.onBooked))
	app.Go("keys", background.Every(time.Minute, app.Log(), "keys", background.Keys(db)))
	return app.Serve(ctx)
}
