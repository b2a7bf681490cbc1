package drain_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/drain"
)

// registry is a Resolver whose lists a test sets.
type registry struct {
	mu    sync.Mutex
	views map[string]*discovery.View
}

func (r *registry) View(service string) *discovery.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.views == nil {
		r.views = map[string]*discovery.View{}
	}
	if r.views[service] == nil {
		r.views[service] = discovery.NewView()
	}
	return r.views[service]
}

func in(id string, state discovery.State, addr string) discovery.Instance {
	return discovery.Instance{ID: id, Service: "a", State: state, Endpoints: map[string]string{discovery.HTTP: addr}}
}

func ids(v *discovery.View) string {
	var list []string
	for _, in := range v.Instances() {
		list = append(list, in.ID)
	}
	return strings.Join(list, " ")
}

// What a mark hides and how long, by the lists that follow it.
func TestMark(t *testing.T) {
	a, b := in("a", discovery.Ready, "h:1"), in("b", discovery.Ready, "h:2")
	drains, moved, starts := a, a, a
	drains.State, starts.State = discovery.Draining, discovery.Starting
	moved.Endpoints = map[string]string{discovery.HTTP: "h:9"}
	type list = []discovery.Instance
	for name, test := range map[string]struct {
		after []list
		want  string // of the last list
		held  bool   // the mark is still there
	}{
		"registry away":                  {nil, "b", true},
		"another changes":                {[]list{{a, b, in("c", discovery.Ready, "h:3")}}, "b c", true},
		"it drains":                      {[]list{{drains, b}}, "b", true},
		"it drains, another changes":     {[]list{{drains, b}, {drains}}, "", true},
		"it is gone":                     {[]list{{b}}, "b", false},
		"it is gone, then another of it": {[]list{{b}, {a, b}}, "a b", false},
		"another at a new address":       {[]list{{moved, b}}, "a b", false},
		"another after it drained":       {[]list{{drains, b}, {a, b}}, "a b", false},
		"another, starting":              {[]list{{drains, b}, {starts, b}}, "a b", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				reg := &registry{}
				reg.View("a").Set(list{a, b})
				r := drain.New(reg)
				defer r.Close()
				v := r.View("a")
				if got := ids(v); got != "a b" {
					t.Fatalf("before: %q", got)
				}
				changed := v.Changed()
				if !r.Mark("a") {
					t.Error("a is not known")
				}
				if got := ids(v); got != "b" {
					t.Errorf("at once after the mark: %q", got)
				}
				select {
				case <-changed:
				default:
					t.Error("who waits was not woken")
				}
				for _, l := range test.after {
					reg.View("a").Set(l)
					synctest.Wait()
				}
				if got := ids(v); got != test.want {
					t.Errorf("in the end: %q, want %q", got, test.want)
				}
				if held := fmt.Sprint(r.Marked()) == "[a]"; held != test.held {
					t.Errorf("marks: %v", r.Marked())
				}
			})
		})
	}
}

// An instance that a list which goes on changing still has after minutes is another.
func TestStaleMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &registry{}
		a := in("a", discovery.Ready, "h:1")
		reg.View("a").Set([]discovery.Instance{a})
		r := drain.New(reg)
		defer r.Close()
		v := r.View("a")
		r.Mark("a")
		time.Sleep(time.Hour) // nothing changes: the registry is away
		synctest.Wait()
		if got := ids(v); got != "" {
			t.Errorf("with the registry away: %q", got)
		}
		reg.View("a").Set([]discovery.Instance{a, in("b", discovery.Ready, "h:2")})
		synctest.Wait()
		if got := ids(v); got != "a b" {
			t.Errorf("with the registry back: %q", got)
		}
	})
}

func TestUnknownInstance(t *testing.T) {
	r := drain.New(&registry{})
	defer r.Close()
	if r.Mark("nobody") || len(r.Marked()) != 0 {
		t.Error("an instance nobody has heard of is marked")
	}
}

// Every change arrives, and after Close none.
func TestFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := &registry{}
		r := drain.New(reg)
		v := r.View("a")
		if v != r.View("a") {
			t.Error("a service has two views")
		}
		for i := range 50 {
			id := fmt.Sprint("i", i)
			reg.View("a").Set([]discovery.Instance{in(id, discovery.Ready, "h:1")})
			synctest.Wait()
			if got := ids(v); got != id {
				t.Fatalf("got %q, want %q", got, id)
			}
		}
		r.Close()
		reg.View("a").Set(nil)
		synctest.Wait()
		if got := ids(v); got != "i49" {
			t.Errorf("after the end: %q", got)
		}
	})
}

func ExampleResolver() {
	registry := discovery.Fixed(map[string][]discovery.Instance{"stock": {
		{ID: "stock-1", Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:9001"}},
		{ID: "stock-2", Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:9002"}},
	}})
	r := drain.New(registry)
	defer r.Close()
	view := r.View("stock")
	fmt.Println(len(view.Instances()))
	fmt.Println(r.Mark("stock-1"), len(view.Instances()), view.Instances()[0].ID)
	// Output:
	// 2
	// true 1 stock-2
}
