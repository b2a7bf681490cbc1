// Command catalog runs the shop's catalog service.
package main

import (
	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/catalog"
)

func main() {
	muster.Main(catalog.Service, muster.With(sqlite.Driver, postgres.Driver, otlp.Driver))
}
