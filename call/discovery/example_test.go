package discovery_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/musterdev/muster/call/discovery"
)

// Without a registry, a fixed map says where services are.
func ExampleFixed() {
	var resolver discovery.Resolver = discovery.Fixed(map[string][]discovery.Instance{
		"stock": {{Endpoints: map[string]string{discovery.GRPC: "127.0.0.1:9001"}}},
	})
	for _, in := range resolver.View("stock").Instances() {
		fmt.Println(in.ID, in.State, in.Endpoints[discovery.GRPC])
	}
	// Output: 127.0.0.1:9001 ready 127.0.0.1:9001
}

// A function may look the instances up wherever they are written.
func ExampleFunc() {
	resolver := discovery.Func(func(service string) []discovery.Instance {
		return []discovery.Instance{{ID: service + "-1", Endpoints: map[string]string{discovery.HTTP: service + ".internal:80"}}}
	})
	fmt.Println(resolver.View("cart").Instances()[0].Endpoints[discovery.HTTP])
	// Output: cart.internal:80
}

// A client follows a registry, here one that knows of a single cart.
func ExampleNewClient() {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"epoch":"e1","index":1,"reset":true,"removed":[],"known":["cart"],"changed":[
			{"id":"cart-1","service":"cart","state":"ready","endpoints":{"http":"127.0.0.1:9000"}}]}`)
	}))
	defer registry.Close()
	client, err := discovery.NewClient(discovery.ClientConfig{URL: registry.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	view := client.View("cart")
	changed := view.Changed()
	for len(view.Instances()) == 0 { // a program would simply call; this one waits for something to print
		<-changed
		changed = view.Changed()
	}
	fmt.Println(view.Instances()[0].ID)
	// Output: cart-1
}

// A lease makes an instance known for as long as it is held.
func ExampleClient_Hold() {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Path)
		_, _ = io.WriteString(w, `{"epoch":"e1","index":1,"state":"ready","ttl":4000}`)
	}))
	defer registry.Close()
	client, err := discovery.NewClient(discovery.ClientConfig{URL: registry.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	lease := client.Hold(discovery.Instance{
		ID: "cart-1", Service: "cart", Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:9000"},
	})
	<-lease.Registered()
	lease.Release()
	// Output:
	// PUT /v1/instances/cart-1
	// DELETE /v1/instances/cart-1
}

// The message of an error names what may have been meant.
func ExampleClient_Near() {
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"epoch":"e1","index":1,"services":{"cart":[],"stock":[]}}`)
	}))
	defer registry.Close()
	client, err := discovery.NewClient(discovery.ClientConfig{URL: registry.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	fmt.Println(client.Near("crat"), client.Near("cart"))
	// Output: [cart] []
}
