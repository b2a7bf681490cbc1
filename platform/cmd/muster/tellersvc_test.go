package main

import (
	"context"
	"database/sql"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/webhook"
	"github.com/musterdev/muster/webhook/web"
)

// teller tells its partner, at PARTNER, of each POST /tell/{id} by a webhook, which it tries twice.
func teller(ctx context.Context, app *muster.App) error {
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := webhook.Migrate(ctx, db); err != nil {
		return err
	}
	hooks, err := webhook.New(db, webhook.Config{
		Plain: true, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Log: app.Log(),
		Retry: bus.Backoff{First: time.Millisecond, Most: time.Millisecond, Attempts: 2},
	})
	if err != nil {
		return err
	}
	if _, _, err := hooks.Create(ctx, webhook.Endpoint{URL: os.Getenv("PARTNER"), Topics: []string{"web.*"}}); err != nil {
		return err
	}
	app.Go("webhooks", hooks.Run)
	operators := web.Handler(hooks)
	app.Handle("/.muster/webhooks", operators)
	app.Handle("/.muster/webhooks/", operators)
	app.Handle(asyncapi.Path, asyncapi.Handler(asyncapi.Info{Title: "Teller"}, asyncapi.Sends(made, "Something was told.")))
	app.Handle("POST /tell/{id}", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		err := tx.Do(r.Context(), db, func(ctx context.Context, t *sql.Tx) error {
			_, err := hooks.Append(ctx, t, "", bus.Msg{ID: r.PathValue("id"), Source: "/teller", Topic: made.Name})
			return err
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	return app.Serve(ctx)
}
