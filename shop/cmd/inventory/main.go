// Command inventory runs the shop's inventory service.
package main

import (
	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/inventory"
)

func main() {
	muster.Main(inventory.Service, muster.With(sqlite.Driver, postgres.Driver, otlp.Driver))
}
