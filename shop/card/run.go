package card

import (
	"context"

	"github.com/musterdev/muster"
)

// Service is the card processor: REST, and the webhooks it posts to payments.
var Service = muster.Service{Name: "card", Migrations: migrations, Run: run}

func run(ctx context.Context, app *muster.App) error {
	cfg := defaults
	if err := app.Config(&cfg); err != nil {
		return err
	}
	db, err := app.DB()
	if err != nil {
		return err
	}
	hooks := newWebhooks(app.Client("payments"), "http://payments/webhooks/card", app.Log())
	p, err := newProcessor(db, cfg, hooks.tell)
	if err != nil {
		return err
	}
	app.Handle("/", routes(p, app.Log()))
	app.Go("webhooks", hooks.run)
	return app.Serve(ctx)
}
