package nats_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/drivers/nats"
	"github.com/musterdev/muster/drivers/nats/natstest"
)

func open(t *testing.T, s *natstest.Server) bus.Broker {
	t.Helper()
	b, err := nats.Driver.OpenBus(t.Context(), s.URL(), t.Name(), nil)
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
	s := natstest.Start(t, nil)
	bustest.Run(t, bustest.Target{
		Open: func(t *testing.T) bus.Broker { return open(t, s) },
		Caps: bus.Caps{
			Order: true, Dedup: true, Count: true, Delay: true, Batch: true,
			MaxData: bus.MaxData, Lease: 4 * time.Second,
		},
		Restart: func(*testing.T) { s.Restart() },
	})
}
