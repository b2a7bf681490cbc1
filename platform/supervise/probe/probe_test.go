package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/musterdev/muster/platform/supervise/probe"
)

// serve answers every request with h and returns its address.
func serve(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// nobody returns an address where nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func TestHTTP(t *testing.T) {
	status := func(code int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				code = http.StatusTeapot
			}
			w.Header().Set("Location", "/login")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
		}
	}
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		assumed bool
		yes     bool
		lease   bool
		text    string
	}{
		"ok":             {handler: status(200, "fine"), yes: true, text: "200 OK"},
		"redirect":       {handler: status(302, ""), yes: true, text: "302 Found"},
		"no page":        {handler: status(404, ""), assumed: true, yes: true, text: "404 Not Found (it answers; it has no such page)"},
		"no page, named": {handler: status(404, "nothing\n\there"), text: "404 Not Found: nothing here"},
		"not yet":        {handler: status(503, "warming   up"), assumed: true, text: "503 Service Unavailable: warming up"},
		"error":          {handler: status(500, "\xff"), text: "500 Internal Server Error: ?"},
		"lease": {handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set(probe.LeaseHeader, "Held")
		}, yes: true, lease: true, text: "200 OK"},
		"slow":   {handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, text: "no answer within 50ms"},
		"hangup": {handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, text: "the connection was closed without an answer"},
	} {
		t.Run(name, func(t *testing.T) {
			address := serve(t, c.handler)
			timeout := time.Duration(0)
			if name == "slow" {
				timeout = 50 * time.Millisecond
			}
			a := probe.Ask(t.Context(), probe.Target{Kind: probe.HTTP, Address: address, Path: "/readyz", Assumed: c.assumed, Timeout: timeout})
			want := fmt.Sprintf("GET http://%s/readyz: %s", address, c.text)
			if a.Yes != c.yes || a.Lease != c.lease || a.Text != want {
				t.Errorf("%+v, want %v, %v, %q", a, c.yes, c.lease, want)
			}
		})
	}
	a := probe.Ask(t.Context(), probe.Target{Kind: probe.HTTP, Address: nobody(t), Path: "/readyz"})
	if a.Yes || !strings.HasSuffix(a.Text, "connection refused: nobody listens there") {
		t.Errorf("%+v", a)
	}
}

func TestTCPAndNone(t *testing.T) {
	if a := probe.Ask(t.Context(), probe.Target{Kind: probe.TCP, Address: serve(t, nil)}); !a.Yes {
		t.Errorf("%+v", a)
	}
	if a := probe.Ask(t.Context(), probe.Target{Kind: probe.TCP, Address: nobody(t)}); a.Yes {
		t.Errorf("%+v", a)
	}
	if a := probe.Ask(t.Context(), probe.Target{Kind: probe.None}); !a.Yes {
		t.Errorf("%+v", a)
	}
	if a := probe.Ask(t.Context(), probe.Target{Kind: "smoke"}); a.Yes {
		t.Errorf("%+v", a)
	}
}

func TestGRPC(t *testing.T) {
	start := func(register func(*grpc.Server)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		register(s)
		go func() { _ = s.Serve(l) }()
		t.Cleanup(s.Stop)
		return l.Addr().String()
	}
	state := health.NewServer()
	healthy := start(func(s *grpc.Server) { grpc_health_v1.RegisterHealthServer(s, state) })
	bare := start(func(*grpc.Server) {})
	ask := func(address string, assumed bool) probe.Answer {
		return probe.Ask(t.Context(), probe.Target{Kind: probe.GRPC, Address: address, Assumed: assumed})
	}
	if a := ask(healthy, false); !a.Yes {
		t.Errorf("serving: %+v", a)
	}
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	if a := ask(healthy, true); a.Yes || !strings.HasSuffix(a.Text, "NOT_SERVING") {
		t.Errorf("not serving: %+v", a)
	}
	if a := ask(bare, true); !a.Yes {
		t.Errorf("no health service, assumed: %+v", a)
	}
	if a := ask(bare, false); a.Yes {
		t.Errorf("no health service, named: %+v", a)
	}
	if a := ask(nobody(t), true); a.Yes {
		t.Errorf("nobody: %+v", a)
	}
}

func ExampleAsk() {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	a := probe.Ask(context.Background(), probe.Target{
		Kind: probe.HTTP, Address: server.Listener.Addr().String(), Path: "/readyz", Assumed: true,
	})
	fmt.Println(a.Yes)
	// Output: true
}
