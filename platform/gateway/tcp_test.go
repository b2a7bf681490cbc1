package gateway_test

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/l4"
	"github.com/musterdev/muster/problem"
)

// freeAddr returns an address at which nobody listens: below those that outgoing
// connections are given, so that none takes it before the test does.
func freeAddr(t *testing.T) string {
	t.Helper()
	for port := 10_000 + os.Getpid()%10_000; port < 32_000; port++ {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no port is free")
	return ""
}

// echoes returns the address of a program that sends its name and then all it is sent.
func echoes(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.WriteString(c, name)
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func offers(service, addr string) []discovery.Instance {
	return []discovery.Instance{{ID: service + "-1", Service: service, State: discovery.Ready, Endpoints: map[string]string{l4.Endpoint: addr}}}
}

// speak opens a connection and expects to be greeted.
func speak(t *testing.T, addr, want string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	said(t, c, want)
	return c
}

func said(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("%q, %v; want %q", b, err, want)
	}
}

// Ports come, change and go by orders, connections stay, and the next start begins with
// what was ordered last.
func TestTCPOrders(t *testing.T) {
	reg := &registry{}
	reg.View("db").Set(offers("db", echoes(t, "db ")))
	reg.View("web").Set(offers("web", echoes(t, "web ")))
	to := func(service string) l4.Routes { return l4.Routes{Default: l4.Target{Service: service}} }
	file := filepath.Join(t.TempDir(), "tcp.json")
	cfg := gateway.Config{Resolver: reg, TCPFile: file, EndWithin: time.Millisecond}
	r := run(t, cfg)

	addr := freeAddr(t)
	if err := r.admin.SetTCP(t.Context(), map[string]l4.Routes{addr: to("db")}); err != nil {
		t.Fatal(err)
	}
	c := speak(t, addr, "db ")
	if err := r.admin.SetTCP(t.Context(), map[string]l4.Routes{addr: to("web")}); err != nil {
		t.Fatal(err)
	}
	speak(t, addr, "web ")
	_, _ = io.WriteString(c, "hello")
	said(t, c, "hello")

	for code, bad := range map[problem.Code]map[string]l4.Routes{
		problem.InvalidArgument: {addr: {}},
		problem.Unavailable:     {addr: to("db"), strings.TrimPrefix(r.url, "http://"): to("db")},
	} {
		if err := r.admin.SetTCP(t.Context(), bad); problem.CodeOf(err) != code {
			t.Errorf("%v, want %v", err, code)
		}
	}
	speak(t, addr, "web ")
	list, err := r.admin.TCP(t.Context())
	if err != nil || len(list) != 1 || list[0].Listen != addr || list[0].Open != 3 || list[0].Accepted != 3 || list[0].Routes.Default.Service != "web" {
		t.Errorf("%+v %v", list, err)
	}
	calls, err := r.admin.Calls(t.Context())
	if err != nil || len(calls.Calls) != 2 {
		t.Errorf("%+v %v", calls, err)
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if _, err := c.Read(make([]byte, 5)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("after the end: %v", err)
	}

	r = run(t, cfg)
	speak(t, addr, "web ")
	if err := r.admin.SetTCP(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		_ = c.Close()
		t.Error("a port that was taken out accepts connections")
	}
}

func TestTCPFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tcp.json")
	for text, want := range map[string]string{
		"{":                                     "cannot be read",
		`{"ports": {}} {}`:                      "there is more after",
		`{"prots": {}}`:                         `unknown field "prots"`,
		`{"ports": {"127.0.0.1:1": {}}}`:        "tcp: 127.0.0.1:1: the routes",
		`{"ports": {"127.0.0.1:1": {"to": 1}}}`: `unknown field "to"`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := gateway.Config{Admin: filepath.Join(t.TempDir(), "e.sock"), Listen: "127.0.0.1:0", Resolver: &registry{}, TCPFile: file}
		if err := gateway.Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v; want %s", text, err, want)
		}
	}
}

// An edge that cannot have one of its ports does not start, and says which.
func TestTCPTaken(t *testing.T) {
	reg := &registry{}
	taken := echoes(t, "")
	cfg := gateway.Config{
		Admin: filepath.Join(t.TempDir(), "e.sock"), Listen: "127.0.0.1:0", Resolver: reg,
		TCP: map[string]l4.Routes{taken: {Default: l4.Target{Service: "db"}}},
	}
	err := gateway.Run(t.Context(), cfg)
	if err == nil || !strings.Contains(err.Error(), "cannot listen on "+taken) || strings.Count(err.Error(), "in use") != 1 {
		t.Errorf("%v", err)
	}
}

// The document of ports is bounded.
func TestTCPTooLarge(t *testing.T) {
	r := run(t, gateway.Config{Resolver: &registry{}})
	many := map[string]l4.Routes{}
	for i := range l4.MaxPorts + 1 {
		many["127.0.0.1:"+strconv.Itoa(i+1)] = l4.Routes{Default: l4.Target{Service: "db"}}
	}
	err := r.admin.SetTCP(t.Context(), many)
	if problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("%v", err)
	}
}
