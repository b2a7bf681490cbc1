package kafka_test

import (
	"context"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/kafka"
)

func Example() {
	ctx := context.Background()
	broker, err := kafka.Driver.OpenBus(ctx, "kafka://127.0.0.1:9092", "orders-1", nil) // which need not be there
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = broker.Close() }()
	fmt.Printf("order=%t dedup=%t lease=%s\n", broker.Caps().Order, broker.Caps().Dedup, broker.Caps().Lease)
	_, err = broker.Subscribe(ctx, bus.Subscription{Group: "notify", Topics: []string{"orders"}})
	fmt.Println(err != nil)
	// Output:
	// order=true dedup=false lease=4s
	// true
}
