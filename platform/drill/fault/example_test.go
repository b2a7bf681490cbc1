package fault_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/drill/fault"
)

// A proxy stands before a server; while it refuses, the server is not there.
func ExampleProxy() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	p, err := fault.NewProxy(fault.ProxyConfig{Target: server.Listener.Addr().String(), Probe: fault.ProbeHTTP("/")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close()

	_ = p.Set(fault.Toxics{Refuse: true})
	_, err = net.Dial("tcp", p.Addr())
	fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	proof, err := p.Remove(ctx) // returns when a request got through
	fmt.Println("probes:", proof.Probes, err)
	// Output:
	// refused: true
	// probes: 1 <nil>
}

// Calls of cart to stock are slow; those of others are as before.
func ExampleEdges() {
	stock := httptest.NewServer(http.NotFoundHandler())
	defer stock.Close()
	next := discovery.Fixed(map[string][]discovery.Instance{
		"stock": {{Endpoints: map[string]string{discovery.HTTP: stock.Listener.Addr().String()}}},
	})
	edges := fault.NewEdges(1, nil)
	defer edges.Close()
	_ = edges.Set(fault.Edge{From: "cart", To: "stock"}, fault.Delay(100*time.Millisecond, 0))

	for _, caller := range []string{"cart", "orders"} {
		r := fault.NewResolver(next, caller, edges)
		defer r.Close()
		own := r.View("stock").Instances()[0].Endpoints[discovery.HTTP] == stock.Listener.Addr().String()
		fmt.Println(caller, "goes straight to stock:", own)
	}
	proofs, err := edges.Remove(context.Background(), fault.Edge{From: "cart", To: "stock"})
	fmt.Println(len(proofs), "edge is clean again", err)
	// Output:
	// cart goes straight to stock: false
	// orders goes straight to stock: true
	// 1 edge is clean again <nil>
}
