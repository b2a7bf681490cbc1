// Command shipping runs the shop's shipping service, on whichever broker MUSTER_BUS_URL names.
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
	"github.com/musterdev/muster/shop/shipping"
)

func main() {
	muster.Main(shipping.Service, muster.With(sqlite.Driver, postgres.Driver, nats.Driver, rabbitmq.Driver, streams.Driver, kafka.Driver, otlp.Driver))
}
