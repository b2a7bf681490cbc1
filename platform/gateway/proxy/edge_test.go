package proxy_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/observe"
	"github.com/musterdev/muster/platform/gateway/accesslog"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/upstream"
	"github.com/musterdev/muster/platform/gateway/nethttp"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/relay"
	"github.com/musterdev/muster/platform/gateway/route"
)

// fleet is a Resolver whose lists a test sets.
type fleet struct {
	mu    sync.Mutex
	views map[string]*discovery.View
}

func (f *fleet) View(service string) *discovery.View {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.views[service] == nil {
		f.views[service] = discovery.NewView()
	}
	return f.views[service]
}

// edge is a Gateway as it runs: behind telemetry, in the engine, on a real listener.
type edge struct {
	*proxy.Gateway

	addr    string
	url     string
	fleet   *fleet
	metrics *prometheus.Registry
	end     func() // ends it, when all requests have ended
	log     *bytes.Buffer
}

// newEdge starts an edge in front of instances; tune may change what it is made of.
func newEdge(t *testing.T, routes []route.Route, tune func(*call.Config, *proxy.Config), instances ...discovery.Instance) *edge {
	t.Helper()
	e := &edge{fleet: &fleet{views: map[string]*discovery.View{}}, metrics: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	e.list(instances...)
	calls := call.Config{Resolver: e.fleet, Settings: resilience.Settings{Timeout: -1}}
	access := accesslog.New(e.log)
	cfg := proxy.Config{Resolver: e.fleet, Metrics: e.metrics, Log: access}
	if tune != nil {
		tune(&calls, &cfg)
	}
	cfg.Caller = call.New(calls)
	g, err := proxy.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.New(routes)
	if err != nil {
		t.Fatal(err)
	}
	g.SetTable(table)
	e.Gateway = g

	telemetry, err := observe.Start(t.Context(), observe.Config{Service: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e.addr, e.url = l.Addr().String(), "http://"+l.Addr().String()
	other := nethttp.New(nethttp.Config{Handler: telemetry.Handler(g)})
	connections := upstream.New(upstream.Config{Dial: calls.Dial})
	passing := relay.New(relay.Config{Gateway: g, Caller: cfg.Caller, Upstream: connections, Edge: telemetry.Edge(), AnswerTimeout: cfg.AnswerTimeout})
	engine := http1.New(http1.Config{Session: passing.Session, Other: other})
	served := make(chan error, 1)
	go func() { served <- engine.Serve(l) }()
	e.end = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := engine.Shutdown(ctx); err != nil {
			t.Errorf("requests did not end: %v", err)
		}
		if err := other.Shutdown(ctx); err != nil {
			t.Errorf("requests did not end: %v", err)
		}
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
		connections.Close()
		cfg.Caller.Close()
		if err := access.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := g.InFlight(); n != 0 {
			t.Errorf("%d requests in flight at the end", n)
		}
	})
	t.Cleanup(e.end)
	return e
}

// list sets the instances there are.
func (e *edge) list(instances ...discovery.Instance) {
	byService := map[string][]discovery.Instance{}
	for _, in := range instances {
		byService[in.Service] = append(byService[in.Service], in)
	}
	for service, list := range byService {
		e.fleet.View(service).Set(list)
	}
}

// line is a line of the access log.
type line struct {
	Time       time.Time `json:"time"`
	RequestID  string    `json:"request_id"`
	TraceID    string    `json:"trace_id"`
	Method     string    `json:"method"`
	Host       string    `json:"host"`
	Path       string    `json:"path"`
	Status     int       `json:"status"`
	GRPC       *int      `json:"grpc_status"`
	Bytes      int64     `json:"bytes"`
	DurationMS float64   `json:"duration_ms"`
	Instance   string    `json:"instance"`
	Route      string    `json:"route"`
	Retries    int       `json:"retries"`
	Error      string    `json:"error"`
}

// logged ends the edge and returns what it has logged.
func (e *edge) logged(t *testing.T) []line {
	t.Helper()
	e.end()
	var lines []line
	d := json.NewDecoder(bytes.NewReader(e.log.Bytes()))
	d.DisallowUnknownFields()
	for {
		var l line
		if err := d.Decode(&l); err == io.EOF {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, l)
	}
}

// serve starts an instance whose both endpoints are one server for HTTP/1.1 and h2c.
func serve(t *testing.T, id, service string, handler http.HandlerFunc) discovery.Instance {
	t.Helper()
	s := httptest.NewUnstartedServer(handler)
	s.Config.Protocols = &http.Protocols{}
	s.Config.Protocols.SetHTTP1(true)
	s.Config.Protocols.SetUnencryptedHTTP2(true)
	s.Start()
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return at(id, service, s.Listener.Addr().String())
}

func at(id, service, addr string) discovery.Instance {
	return discovery.Instance{ID: id, Service: service, State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: addr, discovery.GRPC: addr}}
}

// nowhere is an address at which nobody listens.
func nowhere(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func everything(service string) []route.Route {
	return []route.Route{{Path: "/", Service: service}}
}

// client speaks HTTP/1.1, or HTTP/2, and follows nothing.
func client(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	tr := &http.Transport{Protocols: &http.Protocols{}, DisableCompression: true, ExpectContinueTimeout: 5 * time.Second, IdleConnTimeout: 20 * time.Millisecond}
	tr.Protocols.SetHTTP1(!h2)
	tr.Protocols.SetUnencryptedHTTP2(h2)
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func bothProtocols(t *testing.T, test func(t *testing.T, c *http.Client)) {
	t.Run("HTTP1", func(t *testing.T) { test(t, client(t, false)) })
	t.Run("HTTP2", func(t *testing.T) { test(t, client(t, true)) })
}

// do makes a request and reads its answer to the end.
func do(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

// must is do for what must not fail.
func must(t *testing.T, c *http.Client, method, url string, body io.Reader, header ...string) (*http.Response, string) {
	t.Helper()
	res, text, err := do(t, c, method, url, body, header...)
	if err != nil {
		t.Fatal(err)
	}
	return res, text
}

// raw writes text to a connection of its own and gives the test ten seconds.
func raw(t *testing.T, addr, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c, bufio.NewReader(c)
}

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

// receive waits for a value, but not for ever.
func receive[T any](t *testing.T, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}

func handler(e *edge) http.Handler {
	return promhttp.HandlerFor(e.metrics, promhttp.HandlerOpts{})
}
