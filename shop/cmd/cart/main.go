// Command cart runs the shop's cart service.
package main

import (
	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/cart"
)

func main() {
	muster.Main(cart.Service, muster.With(sqlite.Driver, postgres.Driver, otlp.Driver))
}
