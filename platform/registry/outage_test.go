package registry

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

func TestRegistryRestartsWithItsFile(t *testing.T) {
	inWorld(t, func(w *world) {
		cfg := Config{File: filepath.Join(t.TempDir(), "registry.json")}
		w.start(cfg)
		c, other := w.client(discovery.ClientConfig{}), w.client(discovery.ClientConfig{})
		view := c.View("cart")
		hold(c, "cart", 3)
		hold(other, "cart-2", 1)
		doomed := other.Hold(instance("cart", "doomed", discovery.Ready))
		w.pass(time.Second)
		w.expect(view, "cart-000 cart-001 cart-002 doomed")
		w.neverBelow(view, 3)
		w.kill()
		w.pass(10 * time.Second)
		w.expect(view, "cart-000 cart-001 cart-002 doomed")
		doomed.Release() // nobody to tell
		w.pass(10 * time.Second)
		w.start(cfg)
		w.pass(2 * time.Second)
		w.expect(view, "cart-000 cart-001 cart-002 doomed")
		w.pass(4 * time.Second)
		w.expect(view, "cart-000 cart-001 cart-002")
	})
}

func TestRegistryRestartsWithoutItsFile(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		leases := hold(c, "cart", 5)
		w.pass(time.Second)
		w.neverBelow(view, 5) // though the instances come back one after the other
		w.kill()
		w.pass(20 * time.Second)
		leases[4].Release()
		r := w.start(Config{})
		w.pass(3 * time.Second)
		if got := len(catalog(r).Services["cart"]); got != 4 {
			t.Errorf("%d of 4 instances registered again", got)
		}
		w.expect(view, "cart-000 cart-001 cart-002 cart-003 cart-004")
	})
	inWorld(t, func(w *world) { // what does not come back is given up after a lease
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		leases := hold(c, "cart", 2)
		w.pass(time.Second)
		w.kill()
		leases[1].Release()
		w.start(Config{})
		w.pass(discovery.LeaseTTL + 3*time.Second)
		w.expect(view, "cart-000")
	})
}

func TestRegistryGoneForLong(t *testing.T) {
	inWorld(t, func(w *world) {
		var log bytes.Buffer
		w.start(Config{})
		c := w.client(discovery.ClientConfig{Log: slog.New(slog.NewTextHandler(&log, nil))})
		view := c.View("cart")
		lease := hold(c, "cart", 2)[0]
		w.pass(time.Second)
		w.neverBelow(view, 2)
		w.kill()
		w.wire.mu.Lock()
		w.wire.sent = nil
		w.wire.mu.Unlock()
		w.pass(time.Hour)
		w.expect(view, "cart-000 cart-001")
		if n := w.wire.count(""); n < 3*3600 || n > 3*7200+20 {
			t.Errorf("%d attempts in an hour of three parties, want one in 0.5 to 1 s each", n)
		}
		gaps := w.wire.gaps("GET /v1/watch")
		if low, high := gaps[0], gaps[len(gaps)-1]; high > time.Second || low == high {
			t.Errorf("the pauses go from %v to %v, want jitter and at most a second", low, high)
		}
		if got := strings.Count(log.String(), "registry is away"); got != 1 {
			t.Errorf("%d warnings in %s", got, log.String())
		}
		w.start(Config{})
		w.pass(3 * time.Second)
		if lease.State() != discovery.Ready || !strings.Contains(log.String(), "registry is back") {
			t.Errorf("state %q, log %s", lease.State(), log.String())
		}
		w.pass(time.Minute)
		w.expect(view, "cart-000 cart-001")
	})
}

func TestExplicitEmptyIsNotUnknown(t *testing.T) {
	inWorld(t, func(w *world) {
		dir := t.TempDir()
		w.start(Config{})
		c := w.client(discovery.ClientConfig{Dir: dir})
		view := c.View("cart")
		leases := hold(c, "cart", 2)
		w.pass(2 * time.Second)
		for _, l := range leases {
			l.Release()
		}
		w.pass(0)
		w.expect(view, "") // it came as removals

		leases = hold(c, "cart", 2)
		w.pass(2 * time.Second)
		w.kill()
		for _, l := range leases {
			l.Release()
		}
		w.start(Config{}) // knows nothing of cart, which is not that cart is empty
		w.pass(time.Hour)
		w.expect(view, "cart-000 cart-001")
		late := w.client(discovery.ClientConfig{Dir: dir}).View("cart")
		w.pass(time.Minute)
		w.expect(late, "cart-000 cart-001")

		once := c.Hold(instance("cart", "once", discovery.Ready))
		w.pass(0)
		w.expect(view, "cart-000 cart-001 once")
		w.expect(late, "once") // a registry that knows is believed more than a disk
		once.Release()
		w.pass(discovery.LeaseTTL)
		w.expect(view, "") // now the registry has seen cart, and that it is empty
		w.expect(late, "")
		w.pass(2 * time.Second)
		w.expect(w.client(discovery.ClientConfig{Dir: dir}).View("cart"), "")
	})
}
