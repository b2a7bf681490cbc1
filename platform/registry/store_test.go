package registry

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func instance(service, id string, state discovery.State) discovery.Instance {
	return discovery.Instance{
		ID: id, Service: service, State: state,
		Endpoints: map[string]string{discovery.HTTP: id + ".test:9000"},
	}
}

// script drives a store by lines and returns what it then shows: "cart: c1 ready, c2
// draining", services separated by "; ". The lines: "put cart c1 ready", with "by=p1" for
// the process and "at=host:1" for another address; "refused cart c1 ready by=p1" for one
// that must be; "drain c1"; "delete c1" with "by=p1"; "pass 3s" with looks in between and
// "hang 3s" without; "beat c1 c2 for 3s" passes with these renewed each second; "up c1 c2"
// for those that answer a probe from now on, where all others refuse.
func script(t *testing.T, s *Store, now *time.Time, lines ...string) string {
	t.Helper()
	up := map[string]bool{}
	look := func() {
		for _, who := range s.Expire(*now) {
			s.Probed(who, up[who.Instance.ID], *now)
		}
	}
	pass := func(text string) {
		d, err := time.ParseDuration(text)
		if err != nil {
			t.Fatal(err)
		}
		const step = 250 * time.Millisecond
		for ; d > step; d -= step {
			*now = now.Add(step)
			look()
		}
		*now = now.Add(d)
		look()
	}
	for _, line := range lines {
		f := strings.Fields(line)
		by := ""
		if n := slices.IndexFunc(f, func(w string) bool { return strings.HasPrefix(w, "by=") }); n > 0 {
			by = f[n][3:]
			f = slices.Delete(f, n, n+1)
		}
		switch f[0] {
		case "put", "refused":
			in := instance(f[1], f[2], discovery.State(f[3]))
			if len(f) > 4 {
				in.Endpoints[discovery.HTTP] = strings.TrimPrefix(f[4], "at=")
			}
			_, err := s.Put(in, by, *now)
			if f[0] == "put" && err != nil || f[0] == "refused" && problem.CodeOf(err) != problem.Conflict {
				t.Fatalf("%s: %v", line, err)
			}
		case "drain":
			s.Drain(f[1], *now)
		case "delete":
			s.Delete(f[1], by, *now)
		case "up":
			up = map[string]bool{}
			for _, id := range f[1:] {
				up[id] = true
			}
		case "beat":
			n := slices.Index(f, "for")
			d, err := time.ParseDuration(f[n+1])
			if err != nil {
				t.Fatal(err)
			}
			for ; d > 0; d -= time.Second {
				for _, id := range f[1:n] {
					service := strings.TrimRight(id, "0123456789")
					if _, err := s.Put(instance(service, id, discovery.Ready), "", *now); err != nil {
						t.Fatal(err)
					}
				}
				pass("1s")
			}
		case "pass":
			pass(f[1])
		case "hang":
			d, err := time.ParseDuration(f[1])
			if err != nil {
				t.Fatal(err)
			}
			*now = now.Add(d)
			look()
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return show(s.Catalog())
}

func show(c discovery.Catalog) string {
	var services []string
	for name, list := range c.Services {
		var shown []string
		for _, in := range list {
			shown = append(shown, in.ID+" "+string(in.State))
		}
		services = append(services, strings.TrimSpace(name+": "+strings.Join(shown, ", ")))
	}
	slices.Sort(services)
	return strings.Join(services, "; ")
}

func TestStore(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []string
		want  string
	}{
		{"nothing", nil, ""},
		{"registered", []string{"put cart c1 starting", "put cart c2 ready"}, "cart: c1 starting, c2 ready"},
		{"a beat changes the state", []string{"put cart c1 starting", "put cart c1 ready"}, "cart: c1 ready"},
		{"just before the lease ends", []string{"put cart c1 ready", "pass 3999ms"}, "cart: c1 ready"},
		{"when it ends", []string{"put cart c1 ready", "pass 4s"}, "cart:"},
		{"a beat renews", []string{"put cart c1 ready", "pass 3s", "put cart c1 ready", "pass 3s"}, "cart: c1 ready"},
		{"one of two lapses", []string{"put cart c1 ready", "pass 2s", "put cart c2 ready", "pass 2s"}, "cart: c2 ready"},
		{"the silence was our own", []string{"put cart c1 ready", "hang 1h"}, "cart: c1 ready"},
		{"and ends after one more lease", []string{"put cart c1 ready", "hang 1h", "pass 4s"}, "cart:"},
		{"a short pause is no excuse", []string{"put cart c1 ready", "hang 2s", "hang 2s"}, "cart:"},
		{"an order outranks the holder", []string{"put cart c1 ready", "drain c1", "put cart c1 ready"}, "cart: c1 draining"},
		{"an order ends with the lease", []string{"put cart c1 ready", "drain c1", "pass 4s", "put cart c1 ready"}, "cart: c1 ready"},
		{"and with the instance", []string{"put cart c1 ready", "drain c1", "delete c1", "put cart c1 ready"}, "cart: c1 ready"},
		{"an order renews nothing", []string{"put cart c1 ready", "pass 2s", "drain c1", "pass 2s"}, "cart:"},
		{"deleted", []string{"put cart c1 ready", "delete c1", "delete c1"}, "cart:"},
		{"an id goes over", []string{"put cart x ready", "put stock x ready"}, "cart:; stock: x ready"},
		{"orders of strangers", []string{"drain nobody"}, ""},
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

func TestStoreAnswersABeat(t *testing.T) {
	s := NewStore("e1", discovery.LeaseTTL, Limits{}, start)
	first, err := s.Put(instance("cart", "c1", discovery.Ready), "", start)
	if err != nil {
		t.Fatal(err)
	}
	if want := (discovery.Registration{Epoch: "e1", Index: 1, State: discovery.Ready, TTL: 4000}); first != want {
		t.Errorf("got %+v, want %+v", first, want)
	}
	again, err := s.Put(instance("cart", "c1", discovery.Ready), "", start.Add(time.Second))
	if err != nil || again != first {
		t.Errorf("a beat changed something: got %+v, %v, want %+v", again, err, first)
	}
	ordered, ok := s.Drain("c1", start.Add(2*time.Second))
	if want := (discovery.Registration{Epoch: "e1", Index: 2, State: discovery.Draining, TTL: 3000}); !ok || ordered != want {
		t.Errorf("got %+v, %v, want %+v", ordered, ok, want)
	}
	if _, ok := s.Drain("c2", start); ok {
		t.Error("a stranger could be ordered to drain")
	}
}

func TestStoreSince(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{History: 4}, now)
	script(t, s, &now, "put cart c1 ready", "put cart c2 ready", "put stock s1 ready", "delete c1")
	for _, tc := range []struct {
		name string
		w    discovery.Watch
		want string
	}{
		{"from the beginning", discovery.Watch{}, "reset +c2 +s1 known cart stock"},
		{"another epoch", discovery.Watch{Epoch: "e0", Index: 4}, "reset +c2 +s1 known cart stock"},
		{"an index of the future", discovery.Watch{Epoch: "e1", Index: 5}, "reset +c2 +s1 known cart stock"},
		{"all of this epoch", discovery.Watch{Epoch: "e1"}, "+c2 +s1 -c1 known cart stock"},
		{"the last", discovery.Watch{Epoch: "e1", Index: 3}, "-c1 known cart stock"},
		{"nothing", discovery.Watch{Epoch: "e1", Index: 4}, "none known cart stock"},
		{"one service", discovery.Watch{Epoch: "e1", Index: 2, Services: []string{"stock"}}, "+s1 known stock"},
		{"not that service", discovery.Watch{Epoch: "e1", Index: 3, Services: []string{"stock"}}, "none known stock"},
		{"a service never seen", discovery.Watch{Services: []string{"mail"}}, "reset known"},
		{"nothing of a service never seen", discovery.Watch{Epoch: "e1", Services: []string{"mail"}}, "none known"},
		{"several", discovery.Watch{Services: []string{"stock", "mail", "cart"}}, "reset +c2 +s1 known cart stock"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, ok := s.Since(tc.w)
			if got := showChanges(c, ok); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if c.Epoch != "e1" || c.Index != 4 {
				t.Errorf("got %s %d, want e1 4", c.Epoch, c.Index)
			}
		})
	}
	script(t, s, &now, "drain c2")
	if c, ok := s.Since(discovery.Watch{Epoch: "e1", Index: 0}); showChanges(c, ok) != "reset +c2 +s1 known cart stock" {
		t.Errorf("an index older than the history: got %q", showChanges(c, ok))
	}
	// A quiet service's watcher may be as old as it likes.
	if c, ok := s.Since(discovery.Watch{Epoch: "e1", Index: 0, Services: []string{"mail"}}); ok {
		t.Errorf("got %q for a service without changes", showChanges(c, ok))
	}
}

func showChanges(c discovery.Changes, ok bool) string {
	var words []string
	if !ok {
		words = append(words, "none")
	}
	if c.Reset {
		words = append(words, "reset")
	}
	for _, in := range c.Changed {
		words = append(words, "+"+in.ID)
	}
	for _, ref := range c.Removed {
		words = append(words, "-"+ref.ID)
	}
	return strings.Join(append(append(words, "known"), c.Known...), " ")
}

func TestStoreIsBounded(t *testing.T) {
	now := start
	s := NewStore("e1", discovery.LeaseTTL, Limits{Instances: 3, History: 2}, now)
	script(t, s, &now, "put a a1 ready", "put b b1 ready", "put c c1 ready")
	_, err := s.Put(instance("d", "d1", discovery.Ready), "", now)
	if problem.CodeOf(err) != problem.ResourceExhausted {
		t.Errorf("the fourth instance: got %v, want %s", err, problem.ResourceExhausted)
	}
	if _, err := s.Put(instance("a", "a1", discovery.Draining), "", now); err != nil {
		t.Errorf("a beat in a full store: %v", err)
	}
	c, _ := s.Since(discovery.Watch{Services: []string{"b"}})
	if got := script(t, s, &now, "delete b1", "put d d1 ready"); got != "a: a1 draining; c: c1 ready; d: d1 ready" {
		t.Errorf("got %q, want b forgotten", got)
	}
	gone, ok := s.Since(discovery.Watch{Services: []string{"b"}, Epoch: c.Epoch, Index: c.Index})
	if got := showChanges(gone, ok); got != "-b1 known" {
		t.Errorf("the watcher of a forgotten service: got %q, want it told of the end", got)
	}
	for i := range 1000 {
		script(t, s, &now, "delete d1", fmt.Sprintf("put s%d d1 ready", i))
	}
	if len(s.services) > 3 || len(s.history.ring) > 2 {
		t.Errorf("%d services and %d changes are remembered, want at most 3 and 2", len(s.services), len(s.history.ring))
	}
}

func TestStoreRestore(t *testing.T) {
	now := start
	old := NewStore("e1", discovery.LeaseTTL, Limits{}, now)
	script(t, old, &now, "put cart c1 ready", "put cart c2 ready", "drain c2", "put stock s1 starting", "pass 3s")

	now = now.Add(time.Hour)
	s := NewStore("e2", discovery.LeaseTTL, Limits{}, now)
	bad := Member{Instance: instance("Not a label", "x", discovery.Ready)}
	if err := s.Restore(append(old.Members(), bad), now); err == nil || !strings.Contains(err.Error(), `"x"`) {
		t.Errorf("got %v, want an error that names instance x", err)
	}
	if got, want := show(s.Catalog()), show(old.Catalog()); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := script(t, s, &now, "pass 3s", "put cart c2 ready", "pass 3s"); got != "cart: c2 draining; stock:" {
		t.Errorf("after the fresh lease: got %q", got)
	}
}
