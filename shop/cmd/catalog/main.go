// Command catalog runs the shop's catalog service, on whichever broker MUSTER_BUS_URL names.
package main

import (
	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/kafka"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/otlp"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/rabbitmq"
	"github.com/musterdev/muster/drivers/redis/streams"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/shop/catalog"
)

func main() {
	muster.Main(catalog.Service, muster.With(sqlite.Driver, postgres.Driver, nats.Driver, rabbitmq.Driver, streams.Driver, kafka.Driver, otlp.Driver))
}
