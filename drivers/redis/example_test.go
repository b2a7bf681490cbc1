package redis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/redis"
)

// Two levels: a second in memory, a minute in Redis, and one load for all processes.
// While Redis is away, as here, values are loaded without it.
func ExampleOpen() {
	shared, err := redis.Open("redis://127.0.0.1:1")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer shared.Close()
	prices, err := cache.New(cache.Config[int]{
		Name:   "prices",
		TTL:    time.Minute,
		Shared: shared,
		Load: func(_ context.Context, keys []string) (map[string]int, error) {
			return map[string]int{"p-1": 100}, nil // SELECT ... WHERE id IN (keys)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(prices.Get(context.Background(), "p-1"))
	// Output: 100 true <nil>
}
