package registry_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/registry"
)

// A registry is an http.Handler and a loop; a client of package discovery follows it
// and holds leases.
func ExampleNew() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := registry.New(registry.Config{}) // File keeps membership over restarts
	go r.Run(ctx)
	server := httptest.NewServer(r)
	defer server.Close()

	client, err := discovery.NewClient(discovery.ClientConfig{URL: server.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	lease := client.Hold(discovery.Instance{
		ID: "cart-1", Service: "cart",
		Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:9000"},
	})
	defer lease.Release()

	view := client.View("cart")
	for changed := view.Changed(); len(view.Instances()) == 0; changed = view.Changed() {
		<-changed
	}
	for _, in := range view.Instances() {
		fmt.Println(in.ID, in.State, in.Endpoints[discovery.HTTP])
	}
	// Output: cart-1 ready 127.0.0.1:9000
}
