package shipping

import (
	"context"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/shop/background"
	"github.com/musterdev/muster/shop/events"
)

// Service is shipping: a queue worker, and REST for people who wait for a parcel.
var Service = muster.Service{Name: "shipping", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := app.Outbox(); err != nil {
		return err
	}
	s, err := newParcels(db)
	if err != nil {
		return err
	}
	api, err := routes(s, app.Log())
	if err != nil {
		return err
	}
	app.Handle("/", api)
	app.Handle(asyncapi.Path, events.Shipping())
	app.On(events.ShippingRequested.Name, inbox.Once(db, events.ShippingRequested, s.book))
	app.Go("inbox", background.Every(time.Minute, app.Log(), "inbox", func(ctx context.Context) error {
		_, err := inbox.Sweep(ctx, db, 0)
		return err
	}))
	return app.Serve(ctx)
}
