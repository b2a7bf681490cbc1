//go:build unix

package redis_test

import (
	"testing"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/drivers/redis"
	"github.com/musterdev/muster/drivers/redis/redistest"
)

func TestTheSuite(t *testing.T) {
	s := redistest.Start(t)
	cachetest.Run(t, cachetest.Target{
		Open:  func(t *testing.T) cache.Shared { return open(t, s) },
		Stop:  s.Stop,
		Start: s.Start,
	})
}

func open(t *testing.T, s *redistest.Server) *redis.Shared {
	t.Helper()
	shared, err := redis.Open("redis://" + s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := shared.Close(); err != nil {
			t.Error(err)
		}
	})
	return shared
}
