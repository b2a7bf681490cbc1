package bus_test

import (
	"context"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
)

type OrderPlaced struct {
	Order string `json:"order"`
	Cents int64  `json:"cents"`
}

var Placed = bus.Topic[OrderPlaced]{Name: "orders.placed"}

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	broker := memory.New()
	defer broker.Close()

	// Publish. A service that also changes its database appends to data/outbox instead.
	m, err := Placed.Msg(ctx, "order-1", OrderPlaced{"order-1", 4200})
	if err != nil {
		fmt.Println(err)
		return
	}
	m.Source = "/orders"
	if r := broker.Publish(ctx, []bus.Msg{m}); r[0].Err != nil {
		fmt.Println(r[0].Err)
	}

	// Consume.
	shipping := &bus.Consumer{Broker: broker, Group: "shipping", Parking: memory.NewParking()}
	err = shipping.On(Placed.Name, bus.Typed(Placed, func(_ context.Context, d bus.Delivery, e OrderPlaced) error {
		fmt.Println(d.Topic, d.Key, e.Cents)
		cancel()
		return nil
	}))
	if err != nil {
		fmt.Println(err)
	}
	if err := shipping.Run(ctx); err != nil {
		fmt.Println(err)
	}
	// Output: orders.placed order-1 4200
}
