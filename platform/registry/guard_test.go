package registry

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// Who is silent together is asked; see script for the words.
func TestManyLeasesLapse(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"one of three is a death like any other", []string{"beat c1 c2 c3 for 1s", "up c3", "beat c1 c2 for 4s"}, "c: c1 ready, c2 ready"},
		{"the last one too", []string{"put c c1 ready", "up c1", "pass 4s"}, "c:"},
		{"three of ten are no mass", []string{
			"beat c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 for 1s", "up c0 c1 c2", "beat c3 c4 c5 c6 c7 c8 c9 for 4s",
		}, "c: c3 ready, c4 ready, c5 ready, c6 ready, c7 ready, c8 ready, c9 ready"},
		{"four of ten are, and answer", []string{
			"beat c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 for 1s", "up c0 c1 c2 c3", "beat c4 c5 c6 c7 c8 c9 for 10s",
		}, "c: c0 ready, c1 ready, c2 ready, c3 ready, c4 ready, c5 ready, c6 ready, c7 ready, c8 ready, c9 ready"},
		{"four of ten are, and do not", []string{
			"beat c0 c1 c2 c3 c4 c5 c6 c7 c8 c9 for 1s", "up c0", "beat c4 c5 c6 c7 c8 c9 for 4s",
		}, "c: c0 ready, c4 ready, c5 ready, c6 ready, c7 ready, c8 ready, c9 ready"},
		{"all, for an hour", []string{"beat c1 c2 c3 for 1s", "up c1 c2 c3", "pass 1h"}, "c: c1 ready, c2 ready, c3 ready"},
		{"all, until they end", []string{"beat c1 c2 c3 for 1s", "up c1 c2 c3", "pass 1h", "up", "pass 4s"}, "c:"},
		{"no permanent mode: the last silent one", []string{
			"beat c1 c2 c3 c4 for 1s", "up c1 c2 c3 c4", "pass 1h", "beat c1 c2 c3 for 9s",
		}, "c: c1 ready, c2 ready, c3 ready"},
		{"by one and one, within a lease", []string{
			"put c c0 ready", "put c c1 ready", "pass 1s", "put c c2 ready", "put c c3 ready", "pass 1s", "up c0 c1 c2 c3", "pass 4s",
		}, "c: c0 ready, c1 ready, c2 ready, c3 ready"},
		{"each the only one of its service", []string{
			"put a a1 ready", "put b b1 ready", "put c c1 ready", "up a1 b1 c1", "pass 1h",
		}, "a: a1 ready; b: b1 ready; c: c1 ready"},
		{"half of a fleet of single ones", []string{
			"beat a1 b1 c1 d1 for 1s", "up a1 b1 c1 d1", "beat a1 b1 for 20s",
		}, "a: a1 ready; b: b1 ready; c: c1 ready; d: d1 ready"},
		{"an order stays with who is kept", []string{"put c c1 ready", "put c c2 ready", "drain c1", "up c1 c2", "pass 20s"}, "c: c1 draining, c2 ready"},
		{"an address that another has now", []string{
			"put c c1 ready at=host:1", "put c c2 ready at=host:2", "put c c3 ready at=host:3", "pass 3s", "put c d1 ready at=host:1", "up c1 c2 c3", "pass 1s",
		}, "c: c2 ready, c3 ready, d1 ready"},
		{"the registry was frozen", []string{"beat c1 c2 c3 for 1s", "up", "hang 1h", "beat c1 c2 c3 for 9s"}, "c: c1 ready, c2 ready, c3 ready"},
		{"frozen while it doubted", []string{"beat c1 c2 c3 for 1s", "up c1 c2 c3", "pass 10s", "up", "hang 1h", "pass 3s"}, "c: c1 ready, c2 ready, c3 ready"},
		{"those who left are not counted", []string{
			"beat c1 c2 c3 c4 c5 for 1s", "delete c1", "delete c2", "delete c3", "up c4", "beat c5 for 4s",
		}, "c: c5 ready"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			now := start
			s := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
			if got := script(t, s, &now, tc.lines...); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestInstancesWithoutAddressAreNotKept(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
	for _, id := range []string{"w1", "w2"} {
		if _, err := s.Put(discovery.Instance{ID: id, Service: "worker", State: discovery.Ready}, "", now); err != nil {
			t.Fatal(err)
		}
	}
	if got := script(t, s, &now, "up w1 w2", "pass 4s"); got != "worker:" {
		t.Errorf("got %q", got)
	}
}

// A finding counts for the silence it was asked about, and no other.
func TestLateFindings(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
	script(t, s, &now, "put c c1 ready", "put c c2 ready")
	now = now.Add(2 * time.Second)
	s.Expire(now)
	now = now.Add(2 * time.Second)
	first := s.Expire(now)
	if got := names(first); !slices.Equal(got, []string{"c1", "c2"}) || first[0].Again {
		t.Fatalf("suspects are %v, %+v", got, first)
	}
	s.Probed(Suspect{Instance: instance("c", "stranger", discovery.Ready), round: 1}, false, now)
	script(t, s, &now, "put c c1 ready") // it speaks while it is asked
	s.Probed(first[0], false, now)
	for range 2 { // nobody said anything of c2
		now = now.Add(2 * time.Second)
		script(t, s, &now, "put c c1 starting")
		again := s.Expire(now)
		if len(again) > 0 {
			t.Fatalf("%v is a suspect although only one is silent", names(again))
		}
	}
	s.Probed(first[1], true, now)
	if got := show(s.Catalog()); got != "c: c1 starting" {
		t.Errorf("got %q, want c2 gone with its second lease", got)
	}
}

// host is what instances run on: it says which addresses accept connections.
type host struct {
	mu   sync.Mutex
	down map[string]bool // nobody listens
	mute map[string]bool // no answer at all
	n    atomic.Int32    // dials
}

func (h *host) dial(ctx context.Context, address string) (net.Conn, error) {
	h.n.Add(1)
	h.mu.Lock()
	down, mute := h.down[address], h.mute[address]
	h.mu.Unlock()
	switch {
	case mute:
		<-ctx.Done()
		return nil, ctx.Err()
	case down:
		return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
	}
	a, b := net.Pipe()
	_ = b.Close()
	return a, nil
}

func addresses(service string, from, to int) map[string]bool {
	set := map[string]bool{}
	for i := from; i < to; i++ {
		set[fmt.Sprintf("%s-%03d.test:9000", service, i)] = true
	}
	return set
}

// The beats of half the fleet are lost while its instances answer: nobody is given up,
// for as long as it takes, and all is as before when they are heard again.
func TestHalfOfTheBeatsAreLost(t *testing.T) {
	inWorld(t, func(w *world) {
		h := &host{}
		w.start(Config{Dial: h.dial})
		c := w.client(discovery.ClientConfig{})
		cart, mail := c.View("cart"), c.View("mail")
		hold(c, "cart", 10)
		hold(c, "mail", 1)
		w.pass(time.Second)
		w.neverBelow(cart, 10)
		w.neverBelow(mail, 1)
		w.wire.mu.Lock()
		w.wire.refuse = func(req *http.Request) bool { // an odd number, and mail's
			return req.Method == http.MethodPut && strings.ContainsAny(req.URL.Path[len(req.URL.Path)-1:], "13579") || strings.Contains(req.URL.Path, "mail")
		}
		w.wire.mu.Unlock()
		w.pass(5 * time.Minute)
		if n := h.n.Load(); n < 6*60 || n > 6*80 {
			t.Errorf("%d probes of 6 instances in 5 min, want one in each lease", n)
		}
		w.wire.mu.Lock()
		w.wire.refuse = nil
		w.wire.mu.Unlock()
		w.pass(5 * time.Second)
		before := h.n.Load()
		w.pass(time.Minute)
		if n := h.n.Load(); n != before {
			t.Errorf("%d probes although all are heard", n-before)
		}
	})
}

// Eight of ten are killed: their ports are closed, so they are gone with their leases.
func TestScaleDownLeavesNoGhost(t *testing.T) {
	for name, h := range map[string]*host{
		"ports closed": {down: addresses("cart", 2, 10)},
		"hosts gone":   {mute: addresses("cart", 2, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				r := w.start(Config{Dial: h.dial})
				c, killed := w.client(discovery.ClientConfig{}), w.client(discovery.ClientConfig{})
				view := c.View("cart")
				hold(c, "cart", 2)
				for i := 2; i < 10; i++ {
					killed.Hold(instance("cart", fmt.Sprintf("cart-%03d", i), discovery.Ready))
				}
				w.pass(time.Second)
				began := time.Now()
				killed.Close()
				for len(catalog(r).Services["cart"]) > 2 && time.Since(began) < time.Minute {
					w.pass(100 * time.Millisecond)
				}
				if took := time.Since(began); took > 6*time.Second {
					t.Errorf("the ghosts were gone after %v", took)
				}
				w.expect(view, "cart-000 cart-001")
			})
		})
	}
}

// More fall silent than can be asked at a time, on hosts that do not answer: all are
// asked within a few leases, never more at a time than may be.
func TestProbesAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		const n = 3000
		h := &host{mute: addresses("cart", 0, n)}
		var most, now atomic.Int32
		r := w.start(Config{Dial: func(ctx context.Context, address string) (net.Conn, error) {
			defer now.Add(-1)
			if running := now.Add(1); running > most.Load() {
				most.Store(running)
			}
			return h.dial(ctx, address)
		}})
		for i := range n {
			exchange(r, "PUT", fmt.Sprintf("/v1/instances/cart-%03d", i), fmt.Sprintf(`{"service":"cart","endpoints":{"http":"cart-%03d.test:9000"}}`, i))
		}
		w.pass(2 * time.Minute)
		if left := len(catalog(r).Services["cart"]); left > 0 || most.Load() > maxProbes {
			t.Errorf("%d are left; %d were asked at a time", left, most.Load())
		}
	})
}
