package streams_test

import (
	"context"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/drivers/redis/streams"
)

func Example() {
	ctx := context.Background()
	broker, err := streams.Driver.OpenBus(ctx, "redis://127.0.0.1:6379", "orders-1", nil) // which need not be there
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = broker.Close() }()
	fmt.Printf("order=%t batch=%t lease=%s\n", broker.Caps().Order, broker.Caps().Batch, broker.Caps().Lease)
	_, err = broker.Subscribe(ctx, bus.Subscription{Group: "notify", Topics: []string{"orders"}})
	fmt.Println(err != nil)
	// Output:
	// order=true batch=true lease=4s
	// true
}
