package parkingtest

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/memory"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/parking"
)

// A poison message parks its key in the table, the other keys go on, people see it and
// have it tried again.
func withConsumer(t *testing.T, open func() *sql.DB) {
	s, _ := store(t, open)
	broker := memory.New()
	var mu sync.Mutex
	poisoned, handled := true, map[string][]string{}
	c := &bus.Consumer{Broker: broker, Group: group, Parking: s, Retry: bus.Backoff{First: time.Millisecond, Most: time.Millisecond, Attempts: 3}}
	dbtest.Succeed(t, c.On("test.*", func(_ context.Context, d bus.Delivery) error {
		mu.Lock()
		defer mu.Unlock()
		if d.ID == "a1" && poisoned {
			return errors.New("poison")
		}
		handled[d.Key] = append(handled[d.Key], d.ID)
		return nil
	}))
	of := func(key string) []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(handled[key])
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var msgs []bus.Msg
	for _, id := range []string{"a1", "b1", "a2", "b2", "a3"} {
		msgs = append(msgs, message(id[:1], id).Msg)
	}
	for _, r := range broker.Publish(t.Context(), msgs) {
		dbtest.Succeed(t, r.Err)
	}
	dbtest.Eventually(t, "the other key", func() bool { return len(of("b")) == 2 })
	var dead []parking.Entry
	dbtest.Eventually(t, "the poison to be dead", func() bool {
		dead = list(t, s, parking.Filter{Dead: true})
		return len(dead) == 1 && len(list(t, s, parking.Filter{})) == 3
	})
	dbtest.Want(t, "attempts", dead[0].Attempts, 3)
	dbtest.Want(t, "error", dead[0].Error, "poison")
	dbtest.Want(t, "handled of its key", len(of("a")), 0)
	mu.Lock()
	poisoned = false
	mu.Unlock()
	dbtest.Succeed(t, s.Redrive(t.Context(), dead[0].ID))
	dbtest.Eventually(t, "its key", func() bool { return len(of("a")) == 3 })
	dbtest.Want(t, "in order", slices.Equal(of("a"), []string{"a1", "a2", "a3"}), true)
	dbtest.Eventually(t, "an empty parking", func() bool { return len(list(t, s, parking.Filter{})) == 0 })
	cancel()
	dbtest.Succeed(t, <-done)
}
