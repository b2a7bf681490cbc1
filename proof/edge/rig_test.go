package edge_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/certs"
)

// object is one of JSON.
type object = map[string]any

// front is an edge that runs: its port in clear, and that of TLS.
type front struct {
	entrance

	tls entrance
}

// at makes the one instance of a service.
func at(endpoint, addr string) []discovery.Instance {
	return []discovery.Instance{{Endpoints: map[string]string{endpoint: addr}}}
}

// furnish makes the files of an edge, with a table of routes as its file has it, and says who
// vouches for its certificate.
func furnish(t *testing.T, document object) (gateway.Config, *x509.CertPool) {
	t.Helper()
	dir, err := os.MkdirTemp("", "edge-") //nolint:usetesting // t.TempDir is too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	c := gateway.Config{
		Admin: filepath.Join(dir, "a.sock"), Routes: filepath.Join(dir, "routes.json"),
		NoShedding: true, // other tests have the processors too
	}
	if err := os.WriteFile(c.Routes, text, 0o600); err != nil {
		t.Fatal(err)
	}
	pair, trusted := certificate(t, dir)
	c.TLS = &certs.Config{Files: []certs.Pair{pair}, Default: serverName}
	return c, trusted
}

// open starts an edge in front of instances.
func open(t *testing.T, instances map[string][]discovery.Instance, document object) *front {
	t.Helper()
	c, trusted := furnish(t, document)
	c.Listener, c.TLSListener = listen(t), listen(t)
	c.Resolver = discovery.Fixed(instances)
	c.EndWithin, c.Wait = time.Second, 200*time.Millisecond
	// what is wrapped is served by net/http, all else by the edge's own engine
	c.Middleware = map[string]func(http.Handler) http.Handler{"nothing": func(next http.Handler) http.Handler { return next }}
	ready, ended := make(chan struct{}), make(chan error, 1)
	c.Ready = func(net.Addr) { close(ready) }
	ctx, end := context.WithCancel(context.Background())
	go func() { ended <- gateway.Run(ctx, c) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Errorf("the edge ended: %v", err)
		}
	})
	select {
	case <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatalf("the edge does not start: %v", err)
	}
	return newFront(c.Listener.Addr().String(), c.TLSListener.Addr().String(), c, trusted)
}

func newFront(plain, encrypted string, c gateway.Config, trusted *x509.CertPool) *front {
	return &front{entrance{addr: plain}, entrance{encrypted, c.TLS.Files[0].Cert, trusted}}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// route is a table with one route for everything.
func route(service string) object {
	return object{"routes": []object{{"path": "/", "service": service}}}
}

// serve runs a handler as the one instance of service "a", behind an edge.
func serve(t *testing.T, h http.Handler) *front {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return open(t, map[string][]discovery.Instance{"a": at(discovery.HTTP, s.Listener.Addr().String())}, route("a"))
}
