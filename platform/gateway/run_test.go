package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// registry is a Resolver whose lists a test sets.
type registry struct {
	mu    sync.Mutex
	views map[string]*discovery.View
}

func (r *registry) View(service string) *discovery.View {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.views == nil {
		r.views = map[string]*discovery.View{}
	}
	if r.views[service] == nil {
		r.views[service] = discovery.NewView()
	}
	return r.views[service]
}

// instance serves handler as one instance of service "a".
func instance(t *testing.T, id string, handler http.HandlerFunc) (discovery.Instance, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return discovery.Instance{
		ID: id, Service: "a", State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: s.Listener.Addr().String()},
	}, s
}

func says(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// running is an edge that runs.
type running struct {
	url   string
	admin *admin.Client
	sock  string       // of the admin socket
	stop  func() error // ends it and returns what Run returned
	log   *bytes.Buffer
}

// run starts an edge with a listener and an admin socket of its own.
func run(t *testing.T, cfg gateway.Config) *running {
	t.Helper()
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &running{log: &bytes.Buffer{}}
	cfg.Listener, cfg.AccessLogTo, cfg.Admin = l, r.log, filepath.Join(dir, "edge.sock")
	ready := make(chan net.Addr, 1)
	cfg.Ready = func(a net.Addr) { ready <- a }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx, cfg) }()
	r.admin, r.sock = admin.NewClient(cfg.Admin), cfg.Admin
	r.stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	select {
	case a := <-ready:
		r.url = "http://" + a.String()
	case err := <-ended:
		ended <- err
		t.Fatalf("Run: %v", err)
	}
	return r
}

func (r *running) dialAdmin(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "unix", r.sock)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func all(service string) []route.Route { return []route.Route{{Path: "/", Service: service}} }

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatalf("never: %s", what)
		}
	}
}

// Tables come and go by the admin socket; a bad one changes nothing.
func TestRoutes(t *testing.T) {
	a, _ := instance(t, "a-1", says("a"))
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{a})
	file := filepath.Join(t.TempDir(), "state", "routes.json")
	e := run(t, gateway.Config{Resolver: reg, Routes: file})
	if status, _ := get(t, e.url); status != http.StatusNotFound {
		t.Errorf("without routes: %d", status)
	}
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	if status, text := get(t, e.url); status != 200 || text != "a" {
		t.Errorf("with a route: %d %q", status, text)
	}
	err := e.admin.SetRoutes(t.Context(), []route.Route{{Path: "no slash", Service: "a"}})
	if p, ok := errors.AsType[*problem.Error](err); !ok || p.Code != problem.InvalidArgument || p.Details[0].Field != "routes[0].path" {
		t.Errorf("a bad table: %v", err)
	}
	if status, text := get(t, e.url); status != 200 || text != "a" {
		t.Errorf("after a bad table: %d %q", status, text)
	}
	if routes, err := e.admin.Routes(t.Context()); err != nil || len(routes) != 1 || routes[0].Service != "a" {
		t.Errorf("the table in use: %v, %v", routes, err)
	}
	s, err := e.admin.Status(t.Context())
	if err != nil || s.Routes != 1 || s.Listen != strings.TrimPrefix(e.url, "http://") || s.Services["a"][0].ID != "a-1" || s.Since.Before(s.Started) || s.InFlight != 0 {
		t.Errorf("status: %+v, %v", s, err)
	}

	// another edge begins where this one was
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(e.log.String(), "\n"); lines != 3 {
		t.Errorf("%d of 3 requests were logged", lines)
	}
	again := run(t, gateway.Config{Resolver: reg, Routes: file})
	if status, text := get(t, again.url); status != 200 || text != "a" {
		t.Errorf("after a new start: %d %q", status, text)
	}
	if err := os.WriteFile(file, []byte(`{"routes": [`), 0o600); err != nil {
		t.Fatal(err)
	}
	err = gateway.Run(t.Context(), gateway.Config{Resolver: reg, Routes: file, Listen: "127.0.0.1:0", Admin: filepath.Join(t.TempDir(), "s")})
	if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "line 1") {
		t.Errorf("with half a table on disk: %v", err)
	}
}

// A table that cannot be kept is not taken into use: what the edge does is what it
// would do after a restart.
func TestRoutesThatCannotBeKept(t *testing.T) {
	dir := t.TempDir()
	e := run(t, gateway.Config{Resolver: &registry{}, Routes: filepath.Join(dir, "file", "routes.json")})
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil { // where a folder is to be
		t.Fatal(err)
	}
	if err := e.admin.SetRoutes(t.Context(), all("a")); problem.CodeOf(err) != problem.Internal || !strings.Contains(err.Error(), "old one stays") {
		t.Errorf("err = %v", err)
	}
	if routes, err := e.admin.Routes(t.Context()); err != nil || len(routes) != 0 {
		t.Errorf("in use: %v, %v", routes, err)
	}
}

func TestAdminRefuses(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan net.Addr, 1)
	socket := filepath.Join(dir, "edge.sock")
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- gateway.Run(ctx, gateway.Config{Listener: l, Admin: socket, Resolver: &registry{}, Ready: func(a net.Addr) { ready <- a }})
	}()
	<-ready
	c := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	for _, test := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/v1/routes", "{", 400, "line 1"},
		{"PUT", "/v1/routes", `{"routes":[{"path":"/","service":"a"}],"extra":1}`, 400, "extra"},
		{"POST", "/v1/drain/x?wait=soon", "", 400, "duration"},
		{"POST", "/v1/drain/x?wait=-1s", "", 400, "duration"},
		{"POST", "/v1/drain/x?wait=1h", "", 400, "10m"},
		{"GET", "/v1/nothing", "", 404, "no GET /v1/nothing"},
		{"POST", "/v1/routes", "", 404, "no POST"},
		{"GET", "/metrics", "", 200, "muster_edge_requests_in_flight 0"},
		{"GET", "/metrics", "", 200, "go_goroutines"},
		{"GET", "/v1/status", "", 200, `"draining":[]`},
	} {
		req, err := http.NewRequestWithContext(t.Context(), test.method, "http://edge"+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != test.status || !strings.Contains(string(text), test.says) {
			t.Errorf("%s %s: %s %s", test.method, test.path, res.Status, text)
		}
	}
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: %v, %v", info, err)
	}
	c.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(socket); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
	if err := admin.NewClient(socket).SetRoutes(t.Context(), nil); problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), socket) {
		t.Errorf("with no edge there: %v", err)
	}
}

// An edge starts, and serves, with everything else dead: its table from its file, the
// instances from the last known list.
func TestStartsAlone(t *testing.T) {
	a, _ := instance(t, "a-1", says("a"))
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("epoch") != "" {
			<-r.Context().Done() // nothing changes
			return
		}
		_ = json.NewEncoder(w).Encode(discovery.Changes{Epoch: "1", Index: 1, Reset: true, Changed: []discovery.Instance{a}, Known: []string{"a"}})
	}))
	dir := t.TempDir()
	cfg := gateway.Config{Registry: control.URL, StateDir: filepath.Join(dir, "state"), Routes: filepath.Join(dir, "routes.json")}
	e := run(t, cfg)
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	if status, text := get(t, e.url); status != 200 || text != "a" {
		t.Fatalf("%d %q", status, text)
	}
	control.CloseClientConnections()
	control.Close()
	if status, text := get(t, e.url); status != 200 || text != "a" {
		t.Errorf("with the registry dead: %d %q", status, text)
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	again := run(t, cfg)
	if status, text := get(t, again.url); status != 200 || text != "a" {
		t.Errorf("started with the registry dead: %d %q", status, text)
	}
}

// At its end an edge finishes what it has, takes nothing new, and cuts what lasts.
func TestEnd(t *testing.T) {
	begun, release := make(chan string, 2), make(chan struct{})
	a, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		begun <- r.URL.Path
		select {
		case <-map[string]chan struct{}{"/finishes": release}[r.URL.Path]:
			_, _ = io.WriteString(w, "finished")
		case <-r.Context().Done():
		}
	})
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{a})
	for _, path := range []string{"/finishes", "/lasts"} {
		cfg := gateway.Config{Resolver: reg, EndWithin: 10 * time.Second}
		if path == "/lasts" {
			cfg.EndWithin = 30 * time.Millisecond
		}
		e := run(t, cfg)
		if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			res, err := http.Get(e.url + path)
			if err != nil {
				got <- "cut"
				return
			}
			defer res.Body.Close()
			b, _ := io.ReadAll(res.Body)
			got <- res.Status + " " + string(b)
		}()
		<-begun
		ended := make(chan error, 1)
		go func() { ended <- e.stop() }()
		eventually(t, "the end begins", func() bool {
			c, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
			if err == nil {
				_ = c.Close()
			}
			return err != nil
		})
		want := "cut"
		if path == "/finishes" {
			select {
			case err := <-ended:
				t.Errorf("it ended with a request in flight: %v", err)
			default:
			}
			close(release)
			want = "200 OK finished"
		}
		if g := <-got; g != want {
			t.Errorf("%s: %q, want %q", path, g, want)
		}
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if strings.Count(e.log.String(), "\n") != 1 {
			t.Errorf("%s: logged %q", path, e.log)
		}
	}
}
