package kv_test

import (
	"context"
	"fmt"
	"time"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/nats/kv"
)

// The store of a server that need not be there yet.
func ExampleOpen() {
	store, err := kv.Open("nats://127.0.0.1:1", kv.Config{Bucket: "prices", Client: "pricing"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = store.Close() }()
	_, err = store.Set(context.Background(), []cache.Change{{Key: "p-1", New: []byte("9.99"), TTL: time.Minute}})
	fmt.Println(err)
	// Output: nats: there is no connection to the store
}
