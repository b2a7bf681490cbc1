package registry

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// Requests overtake one another, and processes with the same id follow one another; see
// script for the words.
func TestRegistrationRaces(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		// a beat that is on its way when its process deregisters
		{"a late beat", []string{"put c c1 ready by=p1", "delete c1 by=p1", "refused c c1 ready by=p1"}, "c:"},
		{"however late", []string{"put c c1 ready by=p1", "delete c1 by=p1", "pass 3900ms", "refused c c1 ready by=p1"}, "c:"},
		{"the first beat, after its deregistration", []string{"delete c1 by=p1", "refused c c1 ready by=p1"}, ""},
		{"a late beat after an operator's deletion", []string{"put c c1 ready by=p1", "delete c1", "refused c c1 ready by=p1"}, "c:"},
		{"which ends nobody's life", []string{"put c c1 ready by=p1", "delete c1", "pass 4s", "put c c1 ready by=p1"}, "c: c1 ready"},
		{"the next process is not meant", []string{"put c c1 ready by=p1", "delete c1 by=p1", "put c c1 ready by=p2"}, "c: c1 ready"},
		{"nor who does not say", []string{"put c c1 ready by=p1", "delete c1 by=p1", "put c c1 ready"}, "c: c1 ready"},
		{"who never said has no such protection", []string{"put c c1 ready", "delete c1", "put c c1 ready"}, "c: c1 ready"},
		{"a lease that lapsed may come back", []string{"put c c1 ready by=p1", "pass 4s", "put c c1 ready by=p1"}, "c: c1 ready"},

		// the next process registers before the last one is done
		{"the late deletion of the last process", []string{"put c c1 ready by=p1", "put c c1 ready by=p2", "delete c1 by=p1"}, "c: c1 ready"},
		{"its late beat", []string{"put c c1 draining by=p1", "put c c1 ready by=p2", "refused c c1 draining by=p1"}, "c: c1 ready"},
		{"and its own end", []string{"put c c1 ready by=p1", "put c c1 ready by=p2", "delete c1 by=p2", "refused c c1 ready by=p1"}, "c:"},
		{"two that live take turns by leases", []string{
			"put c c1 ready by=p1", "put c c1 starting by=p2", "refused c c1 ready by=p1", "pass 3s", "put c c1 starting by=p2", "pass 1s", "put c c1 ready by=p1",
			"refused c c1 starting by=p2",
		}, "c: c1 ready"},

		// an order to drain is for the process it was given to
		{"an order and the same process", []string{"put c c1 ready by=p1", "drain c1", "put c c1 ready by=p1"}, "c: c1 draining"},
		{"an order and the next process", []string{"put c c1 ready by=p1", "drain c1", "put c c1 ready by=p2"}, "c: c1 ready"},
		{"an order, its end and the next process", []string{"put c c1 ready by=p1", "drain c1", "delete c1 by=p1", "put c c1 ready by=p2"}, "c: c1 ready"},
		{"an order and another address", []string{"put c c1 ready at=h:1", "drain c1", "put c c1 ready at=h:2"}, "c: c1 ready"},
		{"an order and another address of the same process", []string{"put c c1 ready at=h:1 by=p1", "drain c1", "put c c1 ready at=h:2 by=p1"}, "c: c1 draining"},
		{"an order and an operator's beat", []string{"put c c1 ready by=p1", "drain c1", "put c c1 ready"}, "c: c1 draining"},
		{"an order and another service", []string{"put c x ready by=p1", "drain x", "put d x ready by=p2"}, "c:; d: x ready"},
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

// Who watches sees the change of address as one change, and never the instance gone.
func TestInstanceAtAnotherAddress(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
	script(t, s, &now, "put c c1 ready at=h:1 by=p1")
	at := s.Index()
	script(t, s, &now, "put c c1 ready at=h:2 by=p2", "delete c1 by=p1")
	c, ok := s.Since(discovery.Watch{Epoch: "e1", Index: at})
	if got := showChanges(c, ok); got != "+c1 known c" || c.Changed[0].Endpoints[discovery.HTTP] != "h:2" {
		t.Errorf("got %q, %+v", got, c.Changed)
	}
}

func TestEndedLeasesAreBounded(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{Instances: 3}, now)
	for i := range 1000 {
		s.Delete("c1", strings.Repeat("x", 1+i%100)+"p", now)
	}
	if n := len(s.over); n > 12 {
		t.Errorf("%d are remembered", n)
	}
	now = now.Add(discovery.LeaseTTL)
	if s.Expire(now); len(s.over) > 0 {
		t.Errorf("%d are remembered after a lease", len(s.over))
	}
}

func TestLeaseHeader(t *testing.T) {
	r := New(Config{})
	send := func(method, target, by string) *http.Response {
		req := httptest.NewRequest(method, target, strings.NewReader(c1))
		req.Header.Set(discovery.LeaseHeader, by)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		return rec.Result()
	}
	for _, step := range []struct {
		method, by string
		status     int
	}{
		{"PUT", "p1", 200},
		{"DELETE", "p1", 204},
		{"PUT", "p1", 409},
		{"PUT", "p2", 200},
		{"DELETE", "p1", 204},
		{"PUT", "p2", 200},
		{"PUT", "not/valid", 400},
		{"DELETE", strings.Repeat("x", 129), 400},
	} {
		res := send(step.method, "/v1/instances/c1", step.by)
		if res.StatusCode != step.status {
			t.Errorf("%s by %s: %s, want %d", step.method, step.by, res.Status, step.status)
		}
		if err := problem.FromResponse(res); step.status == 409 && !strings.Contains(err.Error(), `lease of instance "c1" is over`) {
			t.Errorf("got %v", err)
		}
	}
}

// The library's own beats: one that hangs while its lease is released and arrives after
// it brings nothing back, and the next process of the same id is not held up.
func TestBeatThatArrivesAfterTheRelease(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.start(Config{})
		c := w.client(discovery.ClientConfig{})
		late := make(chan *http.Request, 1)
		lease := hold(c, "cart", 1)[0]
		w.pass(time.Second / 2)
		w.wire.connect(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
			if req.Method == http.MethodPut {
				late <- req.Clone(t.Context()) // somewhere on its way
				<-req.Context().Done()
				return
			}
			r.ServeHTTP(rw, req)
		}))
		w.pass(time.Second)
		lease.Release()
		if got := show(catalog(r)); got != "cart:" {
			t.Fatalf("after the release: %s", got)
		}
		req := <-late
		beat := httptest.NewRequest(req.Method, req.URL.Path, strings.NewReader(c1))
		beat.Header = req.Header
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, beat)
		if got := show(catalog(r)); got != "cart:" || rec.Code != http.StatusConflict {
			t.Errorf("after the late beat: %s, %d", got, rec.Code)
		}
		w.wire.connect(r)
		hold(c, "cart", 1)
		w.pass(0)
		if got := show(catalog(r)); got != "cart: cart-000 ready" {
			t.Errorf("the next process: %s", got)
		}
	})
}

// A registry that restarts still knows which process holds an id.
func TestWhoHoldsALeaseSurvivesARestart(t *testing.T) {
	now := start
	old := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
	script(t, old, &now, "put c c1 ready by=p1", "drain c1")
	s := NewStore("e2", discovery.LeaseTTL, Limits{}, now)
	if err := s.Restore(old.Members(), now); err != nil {
		t.Fatal(err)
	}
	if got := script(t, s, &now, "put c c1 ready by=p1"); got != "c: c1 draining" {
		t.Errorf("the same process: %s", got)
	}
	if got := script(t, s, &now, "put c c1 ready by=p2", "delete c1 by=p1", "refused c c1 ready by=p1"); got != "c: c1 ready" {
		t.Errorf("the next one: %s", got)
	}
}

// Who started a process ends its registration by the lease it told it, and nobody
// else's, be it the next process of the same id.
func TestStarterEndsTheLeaseItGave(t *testing.T) {
	inWorld(t, func(w *world) {
		r := w.start(Config{})
		starter := w.client(discovery.ClientConfig{})
		self := instance("cart", "cart-1", discovery.Ready)
		dead, next := w.client(discovery.ClientConfig{}), w.client(discovery.ClientConfig{})
		dead.HoldAs(self, "life-1")
		w.pass(time.Second / 2)
		next.HoldAs(self, "life-2")
		w.pass(time.Second / 2)
		if err := starter.Delete(w.Context(), "cart-1", "life-1"); err != nil {
			t.Fatal(err)
		}
		if got := show(catalog(r)); got != "cart: cart-1 ready" {
			t.Errorf("after the late deregistration: %s", got)
		}
		if err := starter.Delete(w.Context(), "cart-1", "life-2"); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Second) // with a beat of its own
		if got := show(catalog(r)); got != "cart:" {
			t.Errorf("after its own: %s", got)
		}
		other := w.client(discovery.ClientConfig{})
		other.HoldAs(instance("cart", "cart-2", discovery.Ready), "no lease/at all")
		w.pass(time.Second)
		if got := show(catalog(r)); got != "cart: cart-2 ready" {
			t.Errorf("a lease that is none: %s", got)
		}
	})
}
