package cache_test

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/cache"
)

// A cache in front of a database. What is loaded is served for a minute, and a minute
// more while the database is away.
func ExampleNew() {
	products, err := cache.New(cache.Config[string]{
		TTL: time.Minute, Stale: time.Minute, Negative: time.Second,
		Load: func(_ context.Context, keys []string) (map[string]string, error) {
			fmt.Println("SELECT name FROM products WHERE id IN", keys)
			return map[string]string{"p-1": "Teapot", "p-2": "Kettle"}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	fmt.Println(products.GetMany(ctx, []string{"p-1", "p-2", "p-3"}))
	fmt.Println(products.Get(ctx, "p-1"))
	// Output:
	// SELECT name FROM products WHERE id IN [p-1 p-2 p-3]
	// map[p-1:Teapot p-2:Kettle] <nil>
	// Teapot true <nil>
}

// A price that changes is dropped on the event that says so.
func ExampleOnEvent() {
	price := 100
	prices, err := cache.New(cache.Config[int]{Load: cache.One(func(context.Context, string) (int, bool, error) { return price, true, nil })})
	if err != nil {
		fmt.Println(err)
		return
	}
	type change struct{ Product string }
	changed := bus.Topic[change]{Name: "catalog.changed"}
	handle := cache.OnEvent(prices, changed, func(c change) []string { return []string{c.Product} }) // app.On("catalog.changed", handle)

	ctx := context.Background()
	fmt.Println(prices.Get(ctx, "p-1"))
	price = 90
	fmt.Println(prices.Get(ctx, "p-1"))
	msg, err := changed.Msg(ctx, "p-1", change{"p-1"})
	fmt.Println(err, handle(ctx, bus.Delivery{Msg: msg}))
	fmt.Println(prices.Get(ctx, "p-1"))
	// Output:
	// 100 true <nil>
	// 100 true <nil>
	// <nil> <nil>
	// 90 true <nil>
}

// Look-ups from all requests of a service go to another one together.
func ExampleBatch() {
	prices := &cache.Batch[int]{Load: func(_ context.Context, keys []string) (map[string]int, error) {
		fmt.Println("one call for", keys)
		return map[string]int{"p-1": 100}, nil
	}}
	fmt.Println(prices.Get(context.Background(), "p-1"))
	// Output:
	// one call for [p-1]
	// 100 true <nil>
}
