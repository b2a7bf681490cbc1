package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/local"
)

func TestWaysToName(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", told("catalog"))
	f.serve(t, "cart", told("cart"))
	addr := start(t, f, local.Config{})
	for name, c := range map[string]struct{ path, host, want string }{
		"path":               {"/catalog/v1/products", "", "catalog GET /v1/products host=catalog"},
		"path, query":        {"/catalog/v1/products?page=2&q=%2F", "", "catalog GET /v1/products?page=2&q=%2F host=catalog"},
		"path, by localhost": {"/cart/x", "localhost:1", "cart GET /x host=cart"},
		"path, by IPv6":      {"/cart/x", "[::1]:1", "cart GET /x host=cart"},
		"path, bare":         {"/catalog", "", "catalog GET / host=catalog"},
		"path, bare, query":  {"/catalog?a=b", "", "catalog GET /?a=b host=catalog"},
		"path, slash":        {"/catalog/", "", "catalog GET / host=catalog"},
		"path, twice":        {"/catalog/catalog/x", "", "catalog GET /catalog/x host=catalog"},
		"path, escapes":      {"/catalog/a%20b/%C3%BC", "", "catalog GET /a%20b/%C3%BC host=catalog"},
		"path, operations":   {"/catalog/.muster/calls", "", "catalog GET /.muster/calls host=catalog"},
		"host":               {"/v1/products?x", "catalog", "catalog GET /v1/products?x host=catalog"},
		"host, port":         {"/cart/v1", "catalog:8080", "catalog GET /cart/v1 host=catalog"},
		"host, dot":          {"/a", "Cart.", "cart GET /a host=cart"},
		"host, zone":         {"/a", "cart.muster:80", "cart GET /a host=cart"},
	} {
		t.Run(name, func(t *testing.T) {
			if res, got := get(t, http.DefaultClient, request(t, "http://"+addr+c.path, "Host", c.host)); got != c.want || res.StatusCode != 200 {
				t.Errorf("%d %s\nwant %s", res.StatusCode, got, c.want)
			}
		})
	}
	t.Run("as an HTTP proxy", func(t *testing.T) {
		c := &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "http", Host: addr})}}
		defer c.CloseIdleConnections()
		if _, got := get(t, c, request(t, "http://catalog/v1/a?b=c")); got != "catalog GET /v1/a?b=c host=catalog" {
			t.Error(got)
		}
		if _, got := get(t, c, request(t, "http://localhost:9/cart/v1/a?b=c")); !strings.HasPrefix(got, "cart GET /v1/a?b=c") {
			t.Skip("this client takes localhost past its proxy: ", got)
		}
	})
	t.Run("live", func(t *testing.T) {
		if res, got := get(t, http.DefaultClient, request(t, "http://"+addr+local.LivePath)); got != "ok\n" || res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, got)
		}
	})
}

// The absolute form, which a client uses with a proxy, names this machine.
func TestAbsoluteForm(t *testing.T) {
	f := newFleet()
	f.serve(t, "cart", told("cart"))
	addr := start(t, f, local.Config{})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET http://localhost:9/cart/v1/a?b=c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
	b, err := io.ReadAll(conn)
	if err != nil || !strings.HasSuffix(string(b), "cart GET /v1/a?b=c host=cart") {
		t.Errorf("%s %v", b, err)
	}
}

func TestNoSuchService(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", told("catalog"))
	f.serve(t, "cart", told("cart"))
	addr := start(t, f, local.Config{Services: []string{"search"}})
	for _, c := range []struct {
		path, host string
		status     int
		want       string
	}{
		{"/catalgo/v1", "", 404, `the fleet has no service \"catalgo\": did you mean \"catalog\"?`},
		{"/v1/products", "cat", 404, `the fleet has no service \"cat\": did you mean \"cart\"?`},
		{"/", "", 404, `the request names no service: it is the first part of the path, as in /catalog/v1/products, or the host: there are cart, catalog, search`},
		{"//cart/x", "", 400, "empty segment"},
		{"/Cart/x", "", 404, "names no service"},
		{"/%63art/x", "", 404, "names no service"},
		{"/cart/../catalog", "", 400, "dot segment"},
		{"/cart/%2e%2e/catalog", "", 400, "dot segment"},
		{"/x", "evil.example", 404, `the fleet has no service \"evil.example\": there are`},
		{"/x", "ca_rt", 404, `did you mean \"cart\"?`},
		{"/v1", "search", 503, `has no instance that is ready`},
	} {
		r := request(t, "http://"+addr, "Host", c.host)
		r.URL.Opaque = c.path
		if strings.HasPrefix(c.path, "//") {
			r.URL.Opaque, r.URL.Path = "", c.path
		}
		res, got := get(t, http.DefaultClient, r)
		if res.StatusCode != c.status || !strings.Contains(got, c.want) || res.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d %s\nwant %d %s", c.host, c.path, res.StatusCode, got, c.status, c.want)
		}
	}
	for _, name := range []string{"catalgo", "cat", "evil.example", "ca_rt"} {
		if f.follows(name) {
			t.Errorf("%s, which is no service, is followed", name)
		}
	}
}

// A service that registers after it was asked for is there a moment later; the registry
// is not asked for each request in between.
func TestServiceThatComesLater(t *testing.T) {
	f := newFleet()
	addr := start(t, f, local.Config{})
	const many = 50
	for range many {
		if res, _ := get(t, http.DefaultClient, request(t, "http://"+addr+"/late/x")); res.StatusCode != 404 {
			t.Fatal(res.Status)
		}
	}
	if f.asked > many/2 {
		t.Errorf("the registry was asked %d times for %d requests", f.asked, many)
	}
	f.serve(t, "late", told("late"))
	for end := time.Now().Add(5 * time.Second); ; {
		res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/late/x"))
		if res.StatusCode == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d %s", res.StatusCode, got)
		}
	}
}

func TestRegistryAway(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", told("catalog"))
	f.away = errors.New("connection refused")
	f.names = nil // nobody was ever told them
	addr := start(t, f, local.Config{})
	if res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/catalog/x")); res.StatusCode != 200 {
		t.Errorf("a service kept on disk: %d %s", res.StatusCode, got)
	}
	res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/cart/x"))
	if res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !strings.Contains(got, "cannot be asked") {
		t.Errorf("a service nobody knows of: %d %s", res.StatusCode, got)
	}
	for i := range 200 {
		get(t, http.DefaultClient, request(t, fmt.Sprintf("http://%s/s%d/x", addr, i)))
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.views) > 100 {
		t.Errorf("%d names are followed that may be none", len(f.views))
	}
}

func TestNotForBrowsers(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", func(http.ResponseWriter, *http.Request) { t.Error("the request came through") })
	addr := start(t, f, local.Config{})
	for _, header := range [][]string{
		{"Origin", "http://localhost:3000"},
		{"Origin", "null"},
		{"Origin", ""},
		{"Sec-Fetch-Site", "same-origin"},
		{"Sec-Fetch-Site", "none"},
	} {
		res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/catalog/x", header...))
		if res.StatusCode != 403 || !strings.Contains(got, header[0]) {
			t.Errorf("%q: %d %s", header, res.StatusCode, got)
		}
	}
}

func TestThisMachineOnly(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", told("catalog"))
	p, err := local.New(local.Config{
		Caller: call.New(call.Config{Resolver: f}), Resolver: f, Names: f.Names, Metrics: prometheus.NewRegistry(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]int{"127.0.0.1": 200, "::1": 200, "192.0.2.7": 403} {
		r := request(t, "http://"+net.JoinHostPort(addr, "80"), "Host", "catalog")
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.ParseIP(addr)})))
		w := httptest.NewRecorder()
		p.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d %s", addr, w.Code, w.Body)
		}
	}
}

// A program of the fleet is believed what a client from outside is not, and an instance
// learns nothing of the proxy.
func TestPassesOn(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", func(w http.ResponseWriter, r *http.Request) {
		for name, v := range r.Header {
			w.Header()["Got-"+name] = v
		}
	})
	addr := start(t, f, local.Config{})
	sent := map[string]string{
		"Muster-Priority": "critical", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Tracestate": "a=b",
		"X-Request-Id": "abc-123", "X-Forwarded-For": "192.0.2.1", "X-Real-Ip": "192.0.2.1", "Authorization": "Bearer x",
		"Idempotency-Key": "k", "Request-Timeout": "1500", "User-Agent": "", "Accept-Encoding": "gzip", "Muster-Caller": "nightly",
	}
	r := request(t, "http://"+addr+"/catalog/x")
	for name, v := range sent {
		r.Header.Set(name, v)
	}
	res, _ := get(t, http.DefaultClient, r)
	for name, v := range sent {
		got := res.Header.Get("Got-" + name)
		if name == "Request-Timeout" {
			if got == "" || got > "1500" || len(got) != 4 {
				t.Errorf("the deadline is %q", got)
			}
		} else if got != v {
			t.Errorf("%s: %q, want %q", name, got, v)
		}
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-Proto", "User-Agent"} {
		if _, there := res.Header["Got-"+name]; there {
			t.Errorf("the instance got %s", name)
		}
	}
	for sent, want := range map[string]string{"": "", "normal": "", "urgent": "", "low": "low"} {
		r := request(t, "http://"+addr+"/catalog/x", "Muster-Priority", sent)
		if res, _ := get(t, http.DefaultClient, r); res.Header.Get("Got-Muster-Priority") != want {
			t.Errorf("priority %q: the instance got %q", sent, res.Header.Get("Got-Muster-Priority"))
		}
	}
}

// The same policies as between services: an instance that is gone costs nobody an error,
// and the rules of a route count by the path as the service sees it.
func TestPolicies(t *testing.T) {
	f := newFleet()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
		told("catalog")(w, r)
	}))
	defer s.Close()
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	f.add("catalog", discovery.HTTP, gone.Addr().String(), s.Listener.Addr().String())
	f.View("catalog").SetSettings(discovery.Settings(`{"routes": {"GET /slow": {"settings": {"timeout": "30ms"}}}}`))
	addr := start(t, f, local.Config{})
	for range 20 {
		if res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/catalog/x")); res.StatusCode != 200 {
			t.Errorf("%d %s", res.StatusCode, got)
		}
	}
	res, got := get(t, http.DefaultClient, request(t, "http://"+addr+"/catalog/slow"))
	if res.StatusCode != 504 {
		t.Errorf("%d %s", res.StatusCode, got)
	}
}

// Programs differ in what they take localhost for.
func TestListen(t *testing.T) {
	f := newFleet()
	f.serve(t, "catalog", told("catalog"))
	addr := start(t, f, local.Config{})
	_, port, _ := net.SplitHostPort(addr)
	if six, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6: ", err)
	} else {
		_ = six.Close()
	}
	for _, host := range []string{"127.0.0.1", "::1"} {
		if res, got := get(t, http.DefaultClient, request(t, "http://"+net.JoinHostPort(host, port)+"/catalog/")); res.StatusCode != 200 {
			t.Errorf("%s: %d %s", host, res.StatusCode, got)
		}
	}
	if _, err := local.Listen(t.Context(), mustPort(t, port)); err == nil || !strings.Contains(err.Error(), "choose another port") {
		t.Errorf("a port that is taken: %v", err)
	}
}

func mustPort(t *testing.T, s string) (port int) {
	t.Helper()
	if _, err := fmt.Sscan(s, &port); err != nil {
		t.Fatal(err)
	}
	return port
}
