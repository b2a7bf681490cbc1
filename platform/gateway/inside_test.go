package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/platform/gateway/local"
	"github.com/musterdev/muster/problem"
)

// catalog is a registry that lists its services.
type catalog struct{ registry }

func (c *catalog) Catalog(context.Context) (discovery.Catalog, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := discovery.Catalog{Services: map[string][]discovery.Instance{}}
	for name, v := range c.views {
		all.Services[name] = v.Instances()
	}
	return all, nil
}

// A program calls by name at the local port, without a route; the same instances and the
// same operations serve both entrances.
func TestLocal(t *testing.T) {
	reg := &catalog{}
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "a at "+r.URL.Path) })
	reg.View("a").Set([]discovery.Instance{in})
	l, err := local.Listen(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	r := run(t, gateway.Config{Resolver: reg, LocalListener: l, Wait: -1})
	base := "http://" + l.Addr().String()
	for path, want := range map[string]string{"/a/x": "a at /x", "/a/.muster/sagas": "a at /.muster/sagas", local.LivePath: "ok\n"} {
		if status, body := get(t, base+path); status != 200 || body != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	if status, body := get(t, base+"/b/x"); status != 404 || !strings.Contains(body, `did you mean \"a\"`) && !strings.Contains(body, "there are a") {
		t.Errorf("%d %s", status, body)
	}
	if status, _ := get(t, r.url+"/a/x"); status != 404 {
		t.Errorf("from outside, where nothing is routed: %d", status)
	}
	if err := r.admin.Drain(t.Context(), "a-1"); err != nil {
		t.Fatal(err)
	}
	if status, body := get(t, base+"/a/x"); status != 503 {
		t.Errorf("drained: %d %s", status, body)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if !strings.Contains(r.log.String(), `"route":"a"`) {
		t.Errorf("the access log has no line of it: %s", r.log)
	}
}

// Connections pass an edge, and a drain waits for them.
func TestTCP(t *testing.T) {
	db, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	go func() {
		for {
			c, err := db.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(c, c)
				_ = c.Close()
			}()
		}
	}()
	addr := freeAddr(t)
	reg := &registry{}
	reg.View("db").Set([]discovery.Instance{{ID: "db-1", Service: "db", State: discovery.Ready, Endpoints: map[string]string{l4.Endpoint: db.Addr().String()}}})
	r := run(t, gateway.Config{Resolver: reg, TCP: map[string]l4.Routes{addr: {Default: l4.Target{Service: "db"}}}})
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = c.Write([]byte("hello"))
	b := make([]byte, 5)
	if _, err := io.ReadFull(c, b); err != nil || string(b) != "hello" {
		t.Fatalf("%s %v", b, err)
	}
	soon, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := r.admin.Drain(soon, "db-1"); problem.CodeOf(err) != problem.DeadlineExceeded || !strings.Contains(err.Error(), "1 requests") {
		t.Errorf("with a connection open: %v", err)
	}
	drained := make(chan error, 1)
	go func() { drained <- r.admin.Drain(t.Context(), "db-1") }()
	_ = c.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}

func TestInsideConfig(t *testing.T) {
	for want, cfg := range map[string]gateway.Config{
		"local: 70000":                    {Local: 70000},
		`tcp: "5432" is not host:port`:    {TCP: map[string]l4.Routes{"5432": {Default: l4.Target{Service: "db"}}}},
		"tcp: 127.0.0.1:5432: the routes": {TCP: map[string]l4.Routes{"127.0.0.1:5432": {}}},
	} {
		cfg.Admin, cfg.Resolver = "x.sock", &registry{}
		if err := gateway.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}
