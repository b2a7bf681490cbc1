package payments

import (
	"context"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/shop/events"
)

// Service is payments: events, the sagas that ask the card processor, and its webhook.
var Service = muster.Service{Name: "payments", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	s := newPayments(db, app.Client("card"), app.Log())
	if err := app.Outbox(); err != nil {
		return err
	}
	if _, err := app.Sagas(s.charge, s.refund); err != nil {
		return err
	}
	app.Handle("/", routes(s))
	app.Handle(asyncapi.Path, events.Payments())
	app.On(events.PaymentRequested.Name, inbox.Once(db, events.PaymentRequested, s.onRequested))
	app.On(events.RefundRequested.Name, inbox.Once(db, events.RefundRequested, s.onRefundRequested))
	return app.Serve(ctx)
}
