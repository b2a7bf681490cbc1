package fault_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill/fault"
	"github.com/musterdev/muster/platform/registry"
)

func instance(t *testing.T, service, id string) discovery.Instance {
	t.Helper()
	return discovery.Instance{ID: id, Service: service, State: discovery.Ready, Endpoints: map[string]string{
		discovery.HTTP: serve(t, echo), discovery.GRPC: serve(t, echo),
	}}
}

func edges(t *testing.T) *fault.Edges {
	t.Helper()
	e := fault.NewEdges(1, nil)
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func TestEdgesChooseCalls(t *testing.T) {
	in := instance(t, "stock", "stock-1")
	for _, tc := range []struct {
		edge   fault.Edge
		caller string
		http   bool // goes by a proxy
		grpc   bool
	}{
		{fault.Edge{}, "cart", true, true},
		{fault.Edge{}, "", true, true},
		{fault.Edge{From: "cart"}, "cart", true, true},
		{fault.Edge{From: "cart"}, "orders", false, false},
		{fault.Edge{From: "cart"}, "", false, false},
		{fault.Edge{To: "stock", Endpoint: discovery.GRPC}, "cart", false, true},
		{fault.Edge{To: "cart"}, "cart", false, false},
		{fault.Edge{Instance: "stock-1"}, "cart", true, true},
		{fault.Edge{Instance: "stock-2"}, "cart", false, false},
	} {
		e := edges(t)
		if err := e.Set(tc.edge, fault.Toxics{Reset: 1}); err != nil {
			t.Fatal(err)
		}
		out := e.Rewrite(tc.caller, in)
		for name, want := range map[string]bool{discovery.HTTP: tc.http, discovery.GRPC: tc.grpc} {
			if got := out.Endpoints[name] != in.Endpoints[name]; got != want {
				t.Errorf("edge %s, caller %q, %s: by a proxy %v, want %v", tc.edge, tc.caller, name, got, want)
			}
		}
		if again := e.Rewrite(tc.caller, in); !again.Equal(out) {
			t.Errorf("edge %s: asked again, the addresses are %v and %v", tc.edge, out.Endpoints, again.Endpoints)
		}
	}
}

func TestEdgesLastRuleCounts(t *testing.T) {
	e, in := edges(t), instance(t, "stock", "stock-1")
	all, one := fault.Edge{To: "stock"}, fault.Edge{From: "cart", To: "stock"}
	if err := e.Set(all, fault.Toxics{Up: fault.Stream{Stall: true}}); err != nil {
		t.Fatal(err)
	}
	stalled := dial(t, e.Rewrite("cart", in).Endpoints[discovery.HTTP])
	_, _ = stalled.Write([]byte("x"))
	silent(t, stalled)
	if err := e.Set(one, fault.Toxics{}); err != nil { // clean in between
		t.Fatal(err)
	}
	clean := dial(t, e.Rewrite("cart", in).Endpoints[discovery.HTTP])
	said(t, clean, "hello")
	other := dial(t, e.Rewrite("orders", in).Endpoints[discovery.HTTP])
	_, _ = other.Write([]byte("x"))
	silent(t, other)
	if s := e.Stats(one); s.Accepted < 1 {
		t.Errorf("stats %+v", s)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if proofs, err := e.Remove(ctx, one); err != nil || len(proofs) != 2 { // HTTP and gRPC of cart
		t.Errorf("%v, %v", proofs, err)
	}
	again := dial(t, e.Rewrite("cart", in).Endpoints[discovery.HTTP])
	_, _ = again.Write([]byte("x"))
	silent(t, again) // the other edge's toxics hold again
	if proofs, err := e.Remove(ctx, all); err != nil || len(proofs) != 4 {
		t.Errorf("%v, %v", proofs, err)
	}
	if out := e.Rewrite("cart", in); !out.Equal(in) {
		t.Errorf("the edges are clean and the address is %v", out.Endpoints)
	}
	if proofs, err := e.Remove(ctx, all); err != nil || proofs != nil || e.Err() != nil {
		t.Errorf("%v, %v, %v", proofs, err, e.Err())
	}
}

func TestEdgesTellWhatTheyCannotBreak(t *testing.T) {
	e := edges(t)
	if err := e.Set(fault.Edge{}, fault.Toxics{Reset: 2}); err == nil {
		t.Error("a share of 2 was taken")
	}
	if err := e.Set(fault.Edge{}, fault.Toxics{}); err != nil {
		t.Fatal(err)
	}
	odd := discovery.Instance{ID: "a", Service: "a", Endpoints: map[string]string{discovery.HTTP: "no port"}}
	if out := e.Rewrite("", odd); !out.Equal(odd) || e.Err() == nil || !strings.Contains(e.Err().Error(), "any -> any to a") {
		t.Errorf("%v, %v", out, e.Err())
	}
}

func TestResolver(t *testing.T) {
	e, in := edges(t), instance(t, "stock", "stock-1")
	next := discovery.Fixed(map[string][]discovery.Instance{"stock": {in}})
	r := fault.NewResolver(next, "cart", e)
	defer r.Close()
	view := r.View("stock")
	if r.View("stock") != view || !view.Instances()[0].Equal(in) {
		t.Fatalf("%v", view.Instances())
	}
	changed := view.Changed()
	if err := e.Set(fault.Edge{From: "cart"}, fault.Toxics{}); err != nil {
		t.Fatal(err)
	}
	await(t, changed)
	if view.Instances()[0].Endpoints[discovery.HTTP] == in.Endpoints[discovery.HTTP] {
		t.Error("the address is the instance's own")
	}
	changed = view.Changed()
	moved := instance(t, "stock", "stock-1")
	next.View("stock").Set([]discovery.Instance{moved, instance(t, "stock", "stock-2")})
	await(t, changed)
	if list := view.Instances(); len(list) != 2 || list[0].Endpoints[discovery.HTTP] == moved.Endpoints[discovery.HTTP] {
		t.Errorf("%v", list)
	}
	changed = view.Changed()
	if _, err := e.Remove(t.Context(), fault.Edge{From: "cart"}); err != nil {
		t.Error(err)
	}
	await(t, changed)
	if !view.Instances()[0].Equal(moved) {
		t.Errorf("%v", view.Instances())
	}
}

func await(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(patience):
		t.Fatal("nothing happened")
	}
}

// fleet is a registry behind faults, as its clients meet it.
type fleet struct {
	edges *fault.Edges
	plain *registry.Registry
	url   string
}

// named adds the caller's name to requests.
type named struct{ name string }

func (n named) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(discovery.CallerHeader, n.name)
	return http.DefaultTransport.RoundTrip(r)
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{edges: edges(t), plain: registry.New(registry.Config{TTL: time.Hour})}
	server := httptest.NewServer(fault.Registry(f.plain, f.edges))
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *fleet) client(t *testing.T, name string) *discovery.Client {
	t.Helper()
	c, err := discovery.NewClient(discovery.ClientConfig{URL: f.url, HTTP: &http.Client{Transport: named{name}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// shows waits until a view has what is wanted.
func shows(t *testing.T, v *discovery.View, what string, want func([]discovery.Instance) bool) {
	t.Helper()
	late := time.After(patience)
	for {
		changed := v.Changed()
		if want(v.Instances()) {
			return
		}
		select {
		case <-changed:
		case <-late:
			t.Fatalf("%s: the view shows %v", what, v.Instances())
		}
	}
}

func TestRegistry(t *testing.T) {
	f := newFleet(t)
	cart, orders := f.client(t, "cart"), f.client(t, "orders")
	in := instance(t, "stock", "stock-1")
	if err := cart.Put(t.Context(), in, ""); err != nil {
		t.Fatal(err)
	}
	own := func(list []discovery.Instance) bool { return len(list) == 1 && list[0].Equal(in) }
	other := func(list []discovery.Instance) bool {
		return len(list) == 1 && list[0].Endpoints[discovery.HTTP] != in.Endpoints[discovery.HTTP]
	}
	mine, theirs := cart.View("stock"), orders.View("stock")
	shows(t, mine, "before", own)
	shows(t, theirs, "before", own)

	edge := fault.Edge{From: "cart", To: "stock", Endpoint: discovery.HTTP}
	for round := range 3 { // a watch that waits learns of each change at once
		if err := f.edges.Set(edge, fault.Toxics{Down: fault.Stream{Latency: time.Millisecond}}); err != nil {
			t.Fatal(err)
		}
		shows(t, mine, fmt.Sprint("broken ", round), other)
		said(t, dial(t, mine.Instances()[0].Endpoints[discovery.HTTP]), "by the proxy")
		if c, err := cart.Catalog(t.Context()); err != nil || !other(c.Services["stock"]) {
			t.Errorf("catalog %v, %v", c, err)
		}
		proofs, err := f.edges.Remove(t.Context(), edge)
		if err != nil || len(proofs) != 1 || !strings.Contains(proofs[0].Seen, in.Endpoints[discovery.HTTP]) {
			t.Errorf("proofs %v, %v", proofs, err)
		}
		shows(t, mine, fmt.Sprint("mended ", round), own)
	}
	if !own(theirs.Instances()) {
		t.Errorf("orders was given %v", theirs.Instances())
	}

	// The registry's own changes pass on, beside those of the edges.
	if err := f.edges.Set(edge, fault.Toxics{}); err != nil {
		t.Fatal(err)
	}
	shows(t, mine, "broken", other)
	if err := orders.Put(t.Context(), instance(t, "stock", "stock-2"), ""); err != nil {
		t.Fatal(err)
	}
	shows(t, mine, "two", func(list []discovery.Instance) bool { return len(list) == 2 && other(list[:1]) })
	if err := orders.Delete(t.Context(), "stock-2", ""); err != nil {
		t.Fatal(err)
	}
	shows(t, mine, "one", other)
}

func TestRegistryPassesTheRestAsItIs(t *testing.T) {
	f := newFleet(t)
	if err := f.edges.Set(fault.Edge{}, fault.Toxics{}); err != nil {
		t.Fatal(err)
	}
	plain := httptest.NewServer(f.plain)
	defer plain.Close()
	for _, path := range []string{"/v1/watch?index=x", "/v1/watch?wait=1h1m", "/v1/services/nobody", "/v1/nothing", "/v1/instances/a"} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			want, got := ask(t, method, plain.URL+path), ask(t, method, f.url+path)
			if want != got {
				t.Errorf("%s %s: %s\nwithout edges %s", method, path, got, want)
			}
		}
	}
	// An index of before the edges changed is answered with everything.
	if got := ask(t, http.MethodGet, f.url+"/v1/watch?epoch=x&index=5&wait=0s"); !strings.Contains(got, `"reset":true`) {
		t.Error(got)
	}
	// One that is up to date is told so, by the same index.
	var first discovery.Changes
	body := ask(t, http.MethodGet, f.url+"/v1/watch?wait=0s")
	if err := json.Unmarshal([]byte(body[4:]), &first); err != nil {
		t.Fatal(err)
	}
	again := ask(t, http.MethodGet, fmt.Sprintf("%s/v1/watch?wait=0s&epoch=%s&index=%d", f.url, first.Epoch, first.Index))
	if !strings.Contains(again, `"reset":false`) || !strings.Contains(again, fmt.Sprintf(`"index":%d`, first.Index)) || first.Index>>40 != 1 {
		t.Errorf("%s, after %s", again, body)
	}
}

func ask(t *testing.T, method, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var b strings.Builder
	fmt.Fprintf(&b, "%d ", res.StatusCode)
	buf := make([]byte, 4096)
	for {
		n, err := res.Body.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			return b.String()
		}
	}
}
