package kafka_test

import (
	"os"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/drivers/kafka"
)

func open(t *testing.T, url string) bus.Broker {
	t.Helper()
	b, err := kafka.Driver.OpenBus(t.Context(), url, t.Name(), nil)
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

func target(url string) bustest.Target {
	return bustest.Target{
		Open: func(t *testing.T) bus.Broker { return open(t, url) },
		Caps: bus.Caps{Order: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: 4 * time.Second},
	}
}

// TestTheSuiteOnARealBroker runs on the broker that KAFKA_URL names.
func TestTheSuiteOnARealBroker(t *testing.T) {
	url := os.Getenv("KAFKA_URL")
	if url == "" {
		t.Skip("KAFKA_URL names no broker")
	}
	bustest.Run(t, target(url))
}
