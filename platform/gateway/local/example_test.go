package local_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/local"
	"github.com/musterdev/muster/platform/gateway/nethttp"
)

// Any program calls a service by its name.
func Example() {
	catalog := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "the catalog at", r.URL.Path)
	}))
	defer catalog.Close()

	fleet := discovery.Fixed(map[string][]discovery.Instance{
		"catalog": {{Endpoints: map[string]string{discovery.HTTP: catalog.Listener.Addr().String()}}},
	})
	caller := call.New(call.Config{Resolver: fleet, Settings: resilience.Settings{Timeout: -1}})
	defer caller.Close()
	proxy, err := local.New(local.Config{Caller: caller, Resolver: fleet, Services: []string{"catalog"}, Metrics: prometheus.NewRegistry()})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	listener, err := local.Listen(ctx, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	engine := nethttp.New(nethttp.Config{Handler: proxy})
	go func() { _ = engine.Serve(listener) }()
	defer func() { _ = engine.Shutdown(ctx) }()

	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listener.Addr().String()+"/catalog/v1/products", nil)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	_, _ = io.Copy(os.Stdout, res.Body)
	// Output: the catalog at /v1/products
}
