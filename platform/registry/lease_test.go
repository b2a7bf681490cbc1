package registry

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestLeaseBeats(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		lease := hold(w.client(discovery.ClientConfig{}), "cart", 1)[0]
		w.pass(0)
		if !closed(lease.Registered()) || lease.State() != discovery.Ready || closed(lease.Draining()) {
			t.Errorf("registered %v, state %q, draining %v", closed(lease.Registered()), lease.State(), closed(lease.Draining()))
		}
		w.pass(time.Minute)
		gaps := w.wire.gaps("PUT")
		if low, high := gaps[0], gaps[len(gaps)-1]; low < 900*time.Millisecond || high > 1100*time.Millisecond || high-low < 50*time.Millisecond {
			t.Errorf("beats come every %v to %v, want 0.9 to 1.1 s, with jitter", low, high)
		}
	})
}

func TestLeaseIsToldToDrain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		c, operator := w.client(discovery.ClientConfig{}), w.client(discovery.ClientConfig{})
		view := operator.View("cart")
		lease := hold(c, "cart", 1)[0]
		w.pass(0)
		if err := operator.Drain(w.Context(), "cart-000"); err != nil {
			t.Fatal(err)
		}
		w.pass(0)
		w.expect(view, "cart-000*")
		began := time.Now()
		<-lease.Draining()
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("told after %v, want one beat", took)
		}
		lease.Drain(time.Hour)
		if took := time.Since(began); took > 1100*time.Millisecond {
			t.Errorf("Drain waited although the callers had heard: %v", took)
		}
		lease.SetState(discovery.Ready) // too late
		w.kill()
		r := w.start(Config{}) // has forgotten the order
		w.pass(3 * time.Second)
		if got := show(catalog(r)); got != "cart: cart-000 draining" || lease.State() != discovery.Draining {
			t.Errorf("got %q, state %q", got, lease.State())
		}
	})
}

func TestLeaseThatDrainsFromTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.start(Config{})
		lease := w.client(discovery.ClientConfig{}).Hold(instance("cart", "c1", discovery.Draining))
		began := time.Now()
		if !closed(lease.Draining()) {
			t.Error("it does not say that it drains")
		}
		lease.Drain(time.Hour)
		lease.SetState(discovery.Ready)
		w.pass(3 * time.Second)
		if took := time.Since(began); took > 4*time.Second || show(catalog(r)) != "cart: c1 draining" {
			t.Errorf("after %v %s", took, show(catalog(r)))
		}
	})
}

func TestLeaseDrainsByItself(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		view := c.View("cart")
		lease := hold(c, "cart", 1)[0]
		w.pass(500 * time.Millisecond)
		go func() {
			time.Sleep(time.Millisecond)
			w.expect(view, "cart-000*") // at once, not with the next beat
		}()
		began := time.Now()
		lease.Drain(time.Second)
		if took := time.Since(began); took != time.Second || !closed(lease.Draining()) {
			t.Errorf("took %v, draining %v", took, closed(lease.Draining()))
		}
	})
}

func TestReleaseIsBounded(t *testing.T) {
	hanging := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) { <-req.Context().Done() })
	for _, tc := range []struct {
		name  string
		peer  http.Handler
		bound time.Duration
	}{
		{"well", nil, 0},
		{"away", http.NotFoundHandler(), 0},
		{"hangs", hanging, 2 * time.Second},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				r := w.start(Config{})
				lease := hold(w.client(discovery.ClientConfig{}), "cart", 1)[0]
				w.pass(time.Second / 2)
				if tc.peer != nil {
					w.wire.connect(tc.peer)
				}
				w.pass(time.Second) // a beat is on its way when the peer hangs
				began := time.Now()
				lease.Release()
				lease.Release()
				if took := time.Since(began); took > tc.bound {
					t.Errorf("took %v, want at most %v", took, tc.bound)
				}
				if got := show(catalog(r)); tc.peer == nil && got != "cart:" {
					t.Errorf("after the release: %s", got)
				}
				before := w.wire.count("PUT")
				w.pass(time.Minute)
				if after := w.wire.count("PUT"); after != before {
					t.Errorf("%d beats after the release", after-before)
				}
			})
		})
	}
}

func TestCloseLetsLeasesLapse(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		lease := hold(c, "cart", 1)[0]
		w.pass(0)
		c.Close()
		lease.Release() // returns, though nothing can be said any more
		late := c.Hold(instance("cart", "late", discovery.Ready))
		late.Drain(time.Second)
		late.Release()
		if got := show(catalog(r)); got != "cart: cart-000 ready" {
			t.Errorf("got %q", got)
		}
		w.pass(5 * time.Second)
		if got := show(catalog(r)); got != "cart:" {
			t.Errorf("got %q", got)
		}
	})
}

func TestRefusedInstanceIsAnError(t *testing.T) {
	inWorld(t, func(w *world) {
		var log bytes.Buffer
		w.start(Config{})
		c := w.client(discovery.ClientConfig{Log: slog.New(slog.NewTextHandler(&log, nil))})
		lease := c.Hold(discovery.Instance{ID: "x", Service: "Cart", Endpoints: map[string]string{"http": "nowhere"}})
		w.pass(time.Minute)
		for _, want := range []string{"level=ERROR", "service: must be a DNS label", "endpoints.http: must be host:port"} {
			if strings.Count(log.String(), want) != 1 && want == "level=ERROR" || !strings.Contains(log.String(), want) {
				t.Errorf("log %q, want %q, the error once", log.String(), want)
			}
		}
		if closed(lease.Registered()) {
			t.Error("registered")
		}
	})
}
