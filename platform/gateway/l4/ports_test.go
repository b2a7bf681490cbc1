package l4_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/problem"
)

// The addresses of these tests stand for any that are free.
const (
	first  = "127.0.0.1:5433"
	second = "127.0.0.1:8443"
)

// harbour is Ports whose addresses stand for real ones.
type harbour struct {
	*l4.Ports
	*rig

	mu   sync.Mutex
	real map[string]string
	held map[string]bool // somebody else has these
}

func ports(t *testing.T, cfg l4.Config) *harbour {
	t.Helper()
	h := &harbour{rig: &rig{t: t, views: map[string]*discovery.View{}}, real: map[string]string{}, held: map[string]bool{}}
	cfg.Resolver = h.rig
	cfg.Listen = func(_ context.Context, addr string) (net.Listener, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.held[addr] {
			return nil, errors.New("in use")
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err == nil {
			h.real[addr] = l.Addr().String()
		}
		return l, err
	}
	h.Ports = l4.NewPorts(cfg)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), within)
		defer cancel()
		if err := h.Ports.Shutdown(ctx); err != nil {
			t.Errorf("connections did not end: %v", err)
		}
		if list := h.List(); len(list) != 0 {
			t.Errorf("after the end: %+v", list)
		}
	})
	return h
}

// set takes routes into use, each address that of one service.
func (h *harbour) set(services map[string]string) {
	h.t.Helper()
	routes := map[string]l4.Routes{}
	for addr, service := range services {
		routes[addr] = to(service)
	}
	if err := h.Set(h.t.Context(), routes); err != nil {
		h.t.Fatal(err)
	}
}

func to(service string) l4.Routes { return l4.Routes{Default: l4.Target{Service: service}} }

func (h *harbour) at(addr string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.real[addr]
}

// at returns what is known of an address.
func at(h *harbour, addr string) l4.Port {
	for _, one := range h.List() {
		if one.Addr == addr {
			return one
		}
	}
	return l4.Port{}
}

// echo sends a word there and back, on a connection that is open.
func echo(t *testing.T, c *net.TCPConn, word string) {
	t.Helper()
	_, _ = io.WriteString(c, word)
	expect(t, c, word)
}

// A listener that gets other routes, and one that goes, keep the connections they have.
func TestPortsChange(t *testing.T) {
	h := ports(t, l4.Config{})
	h.add("db", named(t, "db "))
	h.add("web", named(t, "web "))
	h.set(map[string]string{first: "db", second: "web"})
	old := dial(t, h.at(first))
	expect(t, old, "db ")
	other := dial(t, h.at(second))
	expect(t, other, "web ")

	h.set(map[string]string{first: "web", second: "web"})
	expect(t, dial(t, h.at(first)), "web ")
	echo(t, old, "from before")

	gone := h.at(first)
	h.set(map[string]string{second: "web"})
	if c, err := net.Dial("tcp", gone); err == nil {
		_ = c.Close()
		t.Error("a connection came about where nobody should listen")
	}
	echo(t, old, "without a listener")
	echo(t, other, "not touched")
	if p := at(h, first); !p.Closed || p.Stats.Open != 2 || p.Stats.Accepted != 2 {
		t.Errorf("%+v", p)
	}

	h.set(map[string]string{first: "db", second: "web"})
	expect(t, dial(t, h.at(first)), "db ")
	echo(t, old, "beside a new one")
	if p := at(h, first); p.Closed || p.Stats.Open != 3 || p.Routes.Default.Service != "db" {
		t.Errorf("%+v", p)
	}
	if n := h.Ports.InFlight("db-0"); n != 2 {
		t.Errorf("%d in flight at the database", n)
	}
	if calls := h.Calls(); len(calls) != 2 {
		t.Errorf("%+v", calls)
	}
}

// What is counted of an address only grows while it has connections or a listener.
func TestPortsCountsStay(t *testing.T) {
	h := ports(t, l4.Config{})
	h.add("db", named(t, "db "))
	counts := func(want int64, open int64) {
		t.Helper()
		eventually(t, fmt.Sprintf("%d accepted, %d open", want, open), func() bool {
			s := at(h, first).Stats
			return s.Accepted == want && s.Open == open
		})
	}
	h.set(map[string]string{first: "db"})
	for i := range int64(3) {
		c := dial(t, h.at(first))
		expect(t, c, "db ")
		counts(i+1, 1)
		h.set(nil)
		h.set(map[string]string{first: "db"}) // while the connection is open
		_ = c.Close()
		counts(i+1, 0)
	}
	h.set(nil)
	eventually(t, "forgotten", func() bool { return len(h.List()) == 0 })
	h.set(map[string]string{first: "db"})
	counts(0, 0)
}

// Either all of a change is carried out, or nothing.
func TestPortsRefuse(t *testing.T) {
	h := ports(t, l4.Config{})
	h.add("db", named(t, "db "))
	h.set(map[string]string{first: "db"})
	h.held["127.0.0.1:9999"] = true
	for want, routes := range map[string]map[string]l4.Routes{
		"the edge cannot listen on 127.0.0.1:9999: in use: choose another port": {second: to("web"), "127.0.0.1:9999": to("db")},
		`tcp: "5432" is not host:port`:                                          {"5432": to("db")},
		"tcp: 127.0.0.1:8443: the routes of connections are not valid":          {second: {}},
		"idle_seconds: must be from 1": {second: {
			Default: l4.Target{Service: "db"}, IdleSeconds: -1,
		}},
	} {
		if err := h.Set(t.Context(), routes); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
		if list := h.List(); len(list) != 1 || list[0].Addr != first || list[0].Closed {
			t.Errorf("%+v", list)
		}
	}
	if code := problem.CodeOf(h.Set(t.Context(), map[string]l4.Routes{"127.0.0.1:9999": to("db")})); code != problem.Unavailable {
		t.Errorf("a taken port is %v", code)
	}
	many := map[string]l4.Routes{}
	for i := range l4.MaxPorts + 1 {
		many["127.0.0.1:"+strconv.Itoa(i+1)] = to("db")
	}
	if err := h.Set(t.Context(), many); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("too many: %v", err)
	}
	expect(t, dial(t, h.at(first)), "db ")
}

// The end waits for connections, also those whose listener is gone, and cuts them off at
// its bound.
func TestPortsShutdown(t *testing.T) {
	h := ports(t, l4.Config{EndIdle: time.Minute})
	h.add("db", named(t, "db "))
	h.set(map[string]string{first: "db", second: "db"})
	gone := dial(t, h.at(first))
	expect(t, gone, "db ")
	here := dial(t, h.at(second))
	expect(t, here, "db ")
	h.set(map[string]string{second: "db"})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- h.Ports.Shutdown(ctx) }()
	eventually(t, "no listener is left", func() bool {
		list := h.List()
		return len(list) == 2 && list[0].Closed && list[1].Closed
	})
	echo(t, gone, "goes on")
	echo(t, here, "goes on")
	if err := h.Set(t.Context(), nil); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("a change at the end: %v", err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: %v", err)
	}
	for _, c := range []*net.TCPConn{gone, here} {
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client saw %v", err)
		}
	}
}

// The end does not wait for who keeps a connection for later, be it one that came before
// its listener went.
func TestPortsShutdownIdle(t *testing.T) {
	h := ports(t, l4.Config{EndIdle: 20 * time.Millisecond})
	h.add("db", named(t, "db "))
	h.set(map[string]string{first: "db", second: "db"})
	pool := []*net.TCPConn{dial(t, h.at(first)), dial(t, h.at(second))}
	for _, c := range pool {
		expect(t, c, "db ")
	}
	h.set(map[string]string{second: "db"})
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	if err := h.Ports.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for _, c := range pool {
		if _, err := c.Read(make([]byte, 1)); !isReset(err) {
			t.Errorf("the client saw %v", err)
		}
	}
}

// A listener has an idle bound of its own.
func TestPortsIdle(t *testing.T) {
	h := ports(t, l4.Config{})
	h.add("db", named(t, "db "))
	r := to("db")
	r.IdleSeconds = 1
	if err := h.Set(t.Context(), map[string]l4.Routes{first: r, second: to("db")}); err != nil {
		t.Fatal(err)
	}
	short, long := dial(t, h.at(first)), dial(t, h.at(second))
	expect(t, short, "db ")
	expect(t, long, "db ")
	if _, err := short.Read(make([]byte, 1)); !isReset(err) {
		t.Errorf("the client saw %v", err)
	}
	eventually(t, "counted", func() bool { return at(h, first).Stats.Ends[l4.Idle] == 1 })
	echo(t, long, "still there")
}

func TestMetrics(t *testing.T) {
	h := ports(t, l4.Config{Max: 1})
	h.add("db", named(t, "db"))
	h.set(map[string]string{first: "db", second: "db"})
	reg := prometheus.NewRegistry()
	if err := h.Register(reg); err != nil {
		t.Fatal(err)
	}
	expect(t, dial(t, h.at(first)), "db")
	h.addr = h.at(first)
	h.refused()
	eventually(t, "counted", func() bool { return at(h, first).Stats.Out == 2 })
	want := `
		# HELP muster_edge_tcp_bytes_total Bytes that were passed on: in to instances, out to clients.
		# TYPE muster_edge_tcp_bytes_total counter
		muster_edge_tcp_bytes_total{direction="in",listener="127.0.0.1:5433"} 0
		muster_edge_tcp_bytes_total{direction="out",listener="127.0.0.1:5433"} 2
		muster_edge_tcp_bytes_total{direction="in",listener="127.0.0.1:8443"} 0
		muster_edge_tcp_bytes_total{direction="out",listener="127.0.0.1:8443"} 0
		# HELP muster_edge_tcp_connections_open TCP connections that are open.
		# TYPE muster_edge_tcp_connections_open gauge
		muster_edge_tcp_connections_open{listener="127.0.0.1:5433"} 1
		muster_edge_tcp_connections_open{listener="127.0.0.1:8443"} 0
	`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "muster_edge_tcp_bytes_total", "muster_edge_tcp_connections_open"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(reg, "muster_edge_tcp_connections_total"); err != nil || n != 16 {
		t.Errorf("%d ends, %v", n, err)
	}
}
