//go:build unix

package streams_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/drivers/redis/redistest"
	"github.com/musterdev/muster/drivers/redis/streams"
)

func open(t *testing.T, s *redistest.Server) bus.Broker {
	t.Helper()
	b, err := streams.Driver.OpenBus(t.Context(), "redis://"+s.Address(), t.Name(), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func TestTheSuite(t *testing.T) {
	s := redistest.StartDurable(t)
	bustest.Run(t, bustest.Target{
		Open: func(t *testing.T) bus.Broker { return open(t, s) },
		Caps: bus.Caps{
			Order: true, Dedup: true, Count: true, Delay: true, Batch: true,
			MaxData: bus.MaxData, Lease: 4 * time.Second,
		},
		Restart: func(t *testing.T) { s.Stop(t); s.Start(t) },
	})
}
