package main

import (
	"context"
	"errors"
	"os"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/orders"
)

// shopServices are the services inside this binary.
var shopServices = []muster.Service{catalog.Service, cart.Service, inventory.Service, orders.Service}

// drivers is every engine's client that this binary holds.
func drivers() muster.Option { return muster.With(sqlite.Driver, postgres.Driver, otlp.Driver) }

// shopCmd runs one service of the shop: the demo's fleet starts this binary again
// for each instance, so that it needs no source tree.
type shopCmd struct {
	Service string `arg:"" help:"Its name."`
}

func (c *shopCmd) Run(ctx context.Context) error {
	for _, s := range shopServices {
		if s.Name == c.Service {
			return muster.Run(ctx, []muster.Service{s}, drivers(), muster.LogTo(os.Stderr))
		}
	}
	return usageError{errors.New("the shop has no service " + c.Service)}
}
