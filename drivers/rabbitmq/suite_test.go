//go:build unix

package rabbitmq_test

import (
	"context"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest"
	"github.com/musterdev/muster/drivers/rabbitmq"
	"github.com/musterdev/muster/drivers/rabbitmq/rabbittest"
)

func open(t *testing.T, s *rabbittest.Server) bus.Broker {
	t.Helper()
	b, err := rabbitmq.Driver.OpenBus(t.Context(), s.URL(), t.Name(), nil)
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
	s := rabbittest.Start(t)
	bustest.Run(t, bustest.Target{
		Open:    func(t *testing.T) bus.Broker { return open(t, s) },
		Caps:    bus.Caps{Order: true, Count: true, Delay: true, MaxData: bus.MaxData, Lease: 4 * time.Second},
		Restart: func(*testing.T) { s.Restart() },
	})
	t.Run("what was in hand counts, and what was not does not", func(t *testing.T) { countOverMembers(t, s) })
}

// countOverMembers has a member leave with a message in hand, and one without, as when a
// process ends: a message that ends every process that handles it must be told by its count.
func countOverMembers(t *testing.T, s *rabbittest.Server) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := open(t, s)
	want := bus.Subscription{Group: "counts", Topics: []string{"counts.a"}}
	next := func() bus.Delivery {
		t.Helper()
		sub, err := open(t, s).Subscribe(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sub.Close() }()
		got, err := sub.Receive(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		return got[0]
	}
	for range 3 { // members that come and go where nothing is
		sub, err := b.Subscribe(ctx, want)
		if err != nil {
			t.Fatal(err)
		}
		if err := sub.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if r := b.Publish(ctx, []bus.Msg{{ID: "1", Source: "/s", Topic: "counts.a", Key: "k"}}); r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	for i := 1; i <= 3; i++ {
		if d := next(); d.Count != i {
			t.Errorf("delivery %d has the count %d", i, d.Count)
		}
	}
}
