package call_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
)

// An existing program calls a service by name; any discovery.Resolver will do.
func ExampleCaller_Client() {
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s for %s", r.URL.Path, r.Host)
	}))
	defer catalog.Close()

	caller := call.New(call.Config{Resolver: discovery.Fixed(map[string][]discovery.Instance{
		"catalog": {{
			ID: "catalog-1", Service: "catalog", State: discovery.Ready,
			Endpoints: map[string]string{discovery.HTTP: catalog.Listener.Addr().String()},
		}},
	})})
	defer caller.Close()

	res, err := caller.Client("catalog").Get("http://catalog/v1/products")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	fmt.Println(string(body))
	// Output: /v1/products for catalog
}

// The connection is a grpc.ClientConnInterface, so generated clients take it.
func ExampleCaller_Dial() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(l) }()
	defer server.Stop()

	caller := call.New(call.Config{Resolver: discovery.Fixed(map[string][]discovery.Instance{
		"stock": {{
			ID: "stock-1", Service: "stock", State: discovery.Ready,
			Endpoints: map[string]string{discovery.GRPC: l.Addr().String()},
		}},
	})})
	defer caller.Close()

	stock := grpc_health_v1.NewHealthClient(caller.Dial("stock"))
	res, err := stock.Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	fmt.Println(res.GetStatus(), err)
	// Output: SERVING <nil>
}
