package memory_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/bus/memory"
)

func TestSuite(t *testing.T) {
	b := memory.New()
	bustest.Run(t, bustest.Target{
		Open: func(*testing.T) bus.Broker { return b.Connect() },
		Caps: bus.Caps{Order: true, Dedup: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: memory.Lease},
		Restart: func(*testing.T) {
			b.Stop()
			time.Sleep(time.Second)
			b.Start()
		},
		Wrap: synctest.Test,
	})
}
