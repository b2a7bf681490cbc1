package catalog

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus/asyncapi"
	"github.com/musterdev/muster/shop/answers"
	"github.com/musterdev/muster/shop/events"
	catalogv1 "github.com/musterdev/muster/shop/proto/catalog/v1"
)

// Service is catalog: REST for browsers, gRPC for other services.
var Service = muster.Service{Name: "catalog", Migrations: migrations, Run: run}

// Config is catalog's own configuration.
type Config struct {
	Cache time.Duration `yaml:"cache"` // how old an answer may be; default 1 s
}

// Validate refuses what cannot work.
func (c Config) Validate() error {
	if c.Cache < 0 || c.Cache > time.Hour {
		return fmt.Errorf("cache is %s: it must be from 0s, which keeps nothing, to 1h", c.Cache)
	}
	return nil
}

func run(ctx context.Context, app *muster.App) error {
	cfg := Config{Cache: time.Second}
	if err := app.Config(&cfg); err != nil {
		return err
	}
	db, err := app.DB()
	if err != nil {
		return err
	}
	if err := Seed(ctx, db); err != nil {
		return err
	}
	if err := app.Outbox(); err != nil {
		return err
	}
	telling, span := app.Telemetry().Traces.Tracer("catalog").Start(ctx, "announce") // else who hears of it would not know from whom
	err = announce(telling, db)
	span.End()
	if err != nil {
		return err
	}
	s, err := newProducts(store{db}, cfg.Cache)
	if err != nil {
		return err
	}
	if err := s.near.Report(app.Telemetry().Meters.Meter("github.com/musterdev/muster/cache")); err != nil {
		return err
	}
	api, err := routes(s, app.Log())
	if err != nil {
		return err
	}
	app.Handle("/", api)
	app.Handle(asyncapi.Path, events.Catalog())
	app.Handle("/v1/", answers.New(api, cfg.Cache))
	catalogv1.RegisterCatalogServer(app.GRPC(), &server{products: s})
	return app.Serve(ctx)
}
