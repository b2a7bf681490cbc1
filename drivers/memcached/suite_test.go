//go:build unix

package memcached_test

import (
	"testing"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/drivers/memcached"
)

func TestTheSuite(t *testing.T) {
	s := start(t)
	cachetest.Run(t, cachetest.Target{
		Open:  func(t *testing.T) cache.Shared { return open(t, s) },
		Stop:  s.stop,
		Start: s.start,
	})
}

func open(t *testing.T, s *server) *memcached.Shared {
	t.Helper()
	shared, err := memcached.Open("memcached://" + s.address())
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
