package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/local"
	"github.com/musterdev/muster/platform/gateway/nethttp"
)

// fleet is a registry as a Proxy sees it.
type fleet struct {
	mu    sync.Mutex
	views map[string]*discovery.View
	names []string
	away  error
	asked int
}

func (f *fleet) View(service string) *discovery.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.views[service] == nil {
		f.views[service] = discovery.NewView()
	}
	return f.views[service]
}

func (f *fleet) Names(context.Context) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked++
	return append([]string(nil), f.names...), f.away
}

func (f *fleet) follows(service string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.views[service] != nil
}

// add registers instances of a service at these addresses.
func (f *fleet) add(service, endpoint string, addrs ...string) {
	var list []discovery.Instance
	for i, addr := range addrs {
		list = append(list, discovery.Instance{
			ID: fmt.Sprintf("%s-%d", service, i), Service: service, State: discovery.Ready, Endpoints: map[string]string{endpoint: addr},
		})
	}
	f.View(service).Set(list)
	f.mu.Lock()
	f.names = append(f.names, service)
	f.mu.Unlock()
}

func newFleet() *fleet { return &fleet{views: map[string]*discovery.View{}} }

// start runs a Proxy as the edge does and returns its address.
func start(t *testing.T, f *fleet, cfg local.Config) string {
	t.Helper()
	caller := call.New(call.Config{Resolver: f, Settings: resilience.Settings{Timeout: -1}, Wait: 50 * time.Millisecond})
	cfg.Caller, cfg.Resolver, cfg.Names, cfg.Metrics = caller, f, f.Names, prometheus.NewRegistry()
	p, err := local.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := local.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	engine := nethttp.New(nethttp.Config{Handler: p})
	served := make(chan error, 1)
	go func() { served <- engine.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(engine.Shutdown(ctx), <-served); err != nil {
			t.Error(err)
		}
		caller.Close()
		if n := p.InFlight(); n != 0 {
			t.Errorf("%d requests are in flight at the end", n)
		}
	})
	return l.Addr().String()
}

// serve runs a service of one instance.
func (f *fleet) serve(t *testing.T, service string, h http.HandlerFunc) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	f.add(service, discovery.HTTP, s.Listener.Addr().String())
}

// told answers what an instance saw of a request.
func told(service string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s %s host=%s", service, r.Method, r.RequestURI, r.Host)
	}
}

func get(t *testing.T, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func request(t *testing.T, target string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	r.Host = r.Header.Get("Host")
	return r
}
