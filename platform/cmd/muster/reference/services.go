package reference

import (
	"slices"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/card"
	"github.com/musterdev/muster/shop/cart"
	"github.com/musterdev/muster/shop/catalog"
	"github.com/musterdev/muster/shop/inventory"
	"github.com/musterdev/muster/shop/orders"
	"github.com/musterdev/muster/shop/payments"
	"github.com/musterdev/muster/shop/search"
	"github.com/musterdev/muster/shop/shipping"
)

// Services returns the shop's services that are inside this binary.
func Services() []muster.Service {
	return []muster.Service{
		catalog.Service, cart.Service, inventory.Service, orders.Service, payments.Service, shipping.Service, search.Service,
		card.Service,
	}
}

// Names returns the names of Services.
func Names() []string {
	var names []string
	for _, s := range Services() {
		names = append(names, s.Name)
	}
	return names
}

// Drivers is every engine's client that the binary holds.
func Drivers() muster.Option {
	return muster.With(sqlite.Driver, postgres.Driver, nats.Driver, otlp.Driver)
}

// inside reports whether a service of the shop is part of this binary.
func inside(name string) bool { return slices.Contains(Names(), name) }
