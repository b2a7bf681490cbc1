// Command card runs the shop's card processor, a simulation.
package main

import (
	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/card"
)

func main() {
	muster.Main(card.Service, muster.With(sqlite.Driver, postgres.Driver, otlp.Driver))
}
