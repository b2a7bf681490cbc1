package limits_test

import (
	"testing"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/drivers/redis"
	"github.com/musterdev/muster/drivers/redis/redistest"
	"github.com/musterdev/muster/platform/gateway/filter/limit/limittest"
)

// Over Redis, by value: a program that runs an edge gives it the store.
func TestRedis(t *testing.T) {
	s := redistest.Start(t)
	limittest.Run(t, limittest.Target{
		Open: func(t *testing.T) cache.Shared {
			shared, err := redis.Open("redis://" + s.Address())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = shared.Close() })
			return shared
		},
		Stop:  s.Stop,
		Start: s.Start,
	})
}
