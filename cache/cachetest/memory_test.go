package cachetest_test

import (
	"errors"
	"testing"

	"github.com/musterdev/muster/cache"
	"github.com/musterdev/muster/cache/cachetest"
)

func TestMemory(t *testing.T) {
	m := &cachetest.Memory{}
	cachetest.Run(t, cachetest.Target{
		Open:  func(*testing.T) cache.Shared { return m },
		Stop:  func(*testing.T) { m.Fail(errors.New("away")) },
		Start: func(*testing.T) { m.Fail(nil) },
	})
}
