package registrar_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/registry"
	"github.com/musterdev/muster/platform/supervise/registrar"
	"github.com/musterdev/muster/problem"
)

var orders = discovery.Instance{
	ID: "orders-1", Service: "orders", State: discovery.Ready,
	Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:20000"}, Holder: discovery.HolderSupervisor,
}

func TestAgainstTheRegistry(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Config{}))
	defer server.Close()
	r, err := registrar.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client, err := discovery.NewClient(discovery.ClientConfig{URL: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	state := func() discovery.State {
		c, err := client.Catalog(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if list := c.Services["orders"]; len(list) == 1 {
			return list[0].State
		}
		return ""
	}
	if err := r.Drain(t.Context(), "orders-1"); problem.CodeOf(err) != problem.NotFound {
		t.Errorf("drain of nobody: %v", err)
	}
	if err := r.Put(t.Context(), orders); err != nil || state() != discovery.Ready {
		t.Errorf("put: %v, state %q", err, state())
	}
	if err := r.Drain(t.Context(), "orders-1"); err != nil || state() != discovery.Draining {
		t.Errorf("drain: %v, state %q", err, state())
	}
	if err := r.Put(t.Context(), orders); err != nil || state() != discovery.Draining {
		t.Errorf("a beat after the order: %v, state %q", err, state())
	}
	for range 2 { // the second time it is unknown, which is no error
		if err := r.Delete(t.Context(), "orders-1"); err != nil || state() != "" {
			t.Errorf("delete: %v, state %q", err, state())
		}
	}
	if err := r.Put(t.Context(), discovery.Instance{ID: "x"}); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("put of nonsense: %v", err)
	}
}

func TestRegistryAway(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	r, err := registrar.New(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := r.Put(ctx, orders); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("err = %v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:8081", "ftp://x", "http://", "http://[::1"} {
		if _, err := registrar.New(bad); err == nil {
			t.Errorf("New(%q) takes it", bad)
		}
	}
}

func ExampleRegistrar() {
	server := httptest.NewServer(registry.New(registry.Config{}))
	defer server.Close()
	r, err := registrar.New(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Put(context.Background(), orders))
	// Output: <nil>
}
