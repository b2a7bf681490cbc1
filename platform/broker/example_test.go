package broker_test

import (
	"context"
	"fmt"
	"os"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/platform/broker"
)

func ExampleService() { //nolint:testableexamples // it runs until it is told to end
	muster.Main(broker.Service(broker.Config{Port: 4222, StoreDir: "events"}), muster.With(sqlite.Driver))
}

func ExampleStart() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "events")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := broker.Start(ctx, broker.Config{StoreDir: dir}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Stop()
	connection, err := nats.Driver.OpenBus(ctx, server.URL(), "example", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = connection.Close() }()
	placed := bus.Msg{ID: "1", Source: "/orders", Topic: "orders.placed", Key: "o1"}
	for _, r := range connection.Publish(ctx, []bus.Msg{placed, placed}) {
		fmt.Println(r.Err, r.Known)
	}
	// Output:
	// <nil> false
	// <nil> true
}
