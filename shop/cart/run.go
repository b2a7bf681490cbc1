package cart

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/shop/background"
	cartv1 "github.com/musterdev/muster/shop/proto/cart/v1"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
)

// Service is cart: REST for browsers, gRPC for the checkout, a worker that sweeps.
var Service = muster.Service{Name: "cart", Migrations: migrations, Run: run}

// Config is cart's own configuration.
type Config struct {
	Unused time.Duration `yaml:"unused"` // after how long without a change a cart is swept; default 72 h
}

// Validate refuses what cannot work.
func (c Config) Validate() error {
	if c.Unused < time.Minute {
		return fmt.Errorf("unused is %s: it must be 1m at least, or carts go while they are filled", c.Unused)
	}
	return nil
}

func run(ctx context.Context, app *muster.App) error {
	cfg := Config{Unused: 72 * time.Hour}
	if err := app.Config(&cfg); err != nil {
		return err
	}
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := idempotency.Migrate(ctx, db); err != nil {
		return err
	}
	s := newCarts(db, catalogv1.NewCatalogClient(app.Dial("catalog")), app.Log())
	api, err := routes(s)
	if err != nil {
		return err
	}
	app.Handle("/", api)
	cartv1.RegisterCartServer(app.GRPC(), &server{carts: s})
	app.Go("sweep", background.Every(time.Minute, app.Log(), "sweep", func(ctx context.Context) error {
		return s.sweep(ctx, cfg.Unused)
	}))
	return app.Serve(ctx)
}
