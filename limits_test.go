package muster

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/quota"
)

// What the registry says of a service's limits counts at once, each instance keeping to
// its part, and a text that nobody can read changes nothing.
func TestServiceFollowsItsLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		view, k := discovery.NewView(), &quota.Keeper{}
		go followLimits(ctx, view, k, slog.New(slog.DiscardHandler))
		allowed := func(want int) {
			t.Helper()
			synctest.Wait()
			time.Sleep(time.Minute) // of the bubble: whatever was asked for counts no more
			got := 0
			for range 1000 {
				if k.Admit(time.Now(), "orders") == nil {
					got++
				}
			}
			if got != want {
				t.Errorf("%d of 1000 are let in, want %d", got, want)
			}
		}
		allowed(1000)
		view.SetSettings(discovery.Settings(`{"limits": {"default": "20/s", "from": {"orders": "10/s"}}}`))
		allowed(10)
		view.Set([]discovery.Instance{{ID: "a", State: discovery.Ready}, {ID: "b", State: discovery.Ready}, {ID: "c", State: discovery.Draining}})
		allowed(5)
		view.SetSettings(discovery.Settings(`{"limits": {"default": "soon"}}`))
		allowed(5)
		view.SetSettings(discovery.Settings(`{"limits": {"default": "20/s"}}`))
		allowed(10)
		view.SetSettings(nil)
		allowed(1000)
	})
}
