package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/admin"
	"github.com/musterdev/muster/platform/gateway/l4"
)

// generation is one of the edges that follow each other at the same addresses.
type generation struct {
	addr  net.Addr
	ended <-chan error
	stop  context.CancelFunc
}

// follow starts an edge that takes over from the one before, if there is one.
func follow(t *testing.T, cfg gateway.Config) generation {
	t.Helper()
	ready, ended := make(chan net.Addr, 1), make(chan error, 1)
	cfg.Ready = func(a net.Addr) { ready <- a }
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan struct{})
	go func() { defer close(over); ended <- gateway.Run(ctx, cfg) }()
	t.Cleanup(func() { cancel(); <-over })
	select {
	case a := <-ready:
		return generation{a, ended, cancel}
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	return generation{}
}

// stage is a service with answers, a stream, and an upgraded connection that echoes.
func stage(t *testing.T) (*registry, discovery.Instance) {
	t.Helper()
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/stream":
			for i := 0; ; i++ {
				if _, err := fmt.Fprintln(w, i); err != nil {
					return
				}
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-time.After(5 * time.Millisecond):
				}
			}
		case "/echo":
			c, b, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(c, b)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	})
	in.Endpoints[l4.Endpoint] = in.Endpoints[discovery.HTTP]
	reg := &registry{}
	reg.View("a").Set([]discovery.Instance{in})
	return reg, in
}

// echo is an upgraded connection through the edge.
type echo struct {
	conn net.Conn
	read *bufio.Reader
}

func openEcho(t *testing.T, addr string) *echo {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(c, "GET /echo HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	e := &echo{c, bufio.NewReader(c)}
	res, err := http.ReadResponse(e.read, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	return e
}

func (e *echo) says(t *testing.T, text string) {
	t.Helper()
	if _, err := io.WriteString(e.conn, text+"\n"); err != nil {
		t.Error(err)
		return
	}
	if line, err := e.read.ReadString('\n'); err != nil || line != text+"\n" {
		t.Errorf("said %q, heard %q, %v", text, line, err)
	}
}

// One edge follows another under load: no request fails, what is open stays open, and the
// one before ends once that has ended.
func TestSuccession(t *testing.T) {
	reg, _ := stage(t)
	dir := t.TempDir()
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tcp := port.Addr().String()
	_ = port.Close()
	cfg := gateway.Config{
		Listen: "127.0.0.1:0", Resolver: reg, Admin: filepath.Join(dir, "s"), TakeOver: filepath.Join(dir, "s"),
		TCP: map[string]l4.Routes{tcp: {Default: l4.Target{Service: "a"}}}, EndWithin: 100 * time.Millisecond,
	}
	first := follow(t, cfg)
	client := admin.NewClient(cfg.Admin)
	if err := client.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	addr := first.addr.String()
	open, byTCP := openEcho(t, addr), openEcho(t, tcp)
	stream, err := http.Get("http://" + addr + "/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	var load sync.WaitGroup
	var done atomic.Int64
	stop := make(chan struct{})
	quiet := sync.OnceFunc(func() { close(stop); load.Wait() })
	defer quiet()
	for i := range 8 {
		transport := &http.Transport{DisableKeepAlives: i%4 == 0}
		defer transport.CloseIdleConnections()
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				// POST: the client itself repeats none
				res, err := (&http.Client{Transport: transport}).Post("http://"+addr+"/x", "text/plain", strings.NewReader("x"))
				if err != nil {
					t.Error(err)
					return
				}
				b, err := io.ReadAll(res.Body)
				_ = res.Body.Close()
				if err != nil || res.StatusCode != http.StatusOK || string(b) != "ok" {
					t.Errorf("%d %q, %v", res.StatusCode, b, err)
				}
				done.Add(1)
			}
		})
	}
	last := first
	for round := range 3 {
		before := done.Load()
		eventually(t, "requests", func() bool { return done.Load() > before+50 })
		status, err := client.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		next := follow(t, cfg)
		if next.addr.String() != addr {
			t.Fatalf("the next edge is at %s, not %s", next.addr, addr)
		}
		eventually(t, "orders for the next edge", func() bool {
			now, err := client.Status(t.Context())
			return err == nil && now.Started.After(status.Started) && now.Routes == 1
		})
		open.says(t, fmt.Sprint("round ", round))
		byTCP.says(t, fmt.Sprint("round ", round))
		if _, err := io.ReadFull(stream.Body, make([]byte, 10)); err != nil {
			t.Errorf("the stream: %v", err)
		}
		fresh := openEcho(t, tcp)
		fresh.says(t, "hello")
		_ = fresh.conn.Close()
		if round > 0 { // it had no streams
			select {
			case err := <-last.ended:
				if err != nil {
					t.Errorf("an edge that was followed: %v", err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("an edge that was followed does not end")
			}
		}
		last = next
	}
	select {
	case err := <-first.ended:
		t.Fatalf("the first edge ended with streams: %v", err)
	default:
	}
	_ = open.conn.Close()
	_ = byTCP.conn.Close()
	_ = stream.Body.Close()
	select {
	case err := <-first.ended:
		if err != nil {
			t.Errorf("the first edge: %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the first edge does not end although its streams have")
	}
	if _, err := os.Stat(cfg.Admin); err != nil {
		t.Errorf("the socket went with the edge before: %v", err)
	}
	quiet()
	last.stop()
	if err := <-last.ended; err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(cfg.Admin); err == nil {
		t.Error("the socket is left after the last edge")
	}
}

// A process that asks and then fails does no harm; the bound of the drain holds; and an edge
// that is told to end while it drains does.
func TestSuccessionBounds(t *testing.T) {
	reg, _ := stage(t)
	dir := t.TempDir()
	cfg := gateway.Config{
		Listen: "127.0.0.1:0", Resolver: reg, Admin: filepath.Join(dir, "s"), TakeOver: filepath.Join(dir, "s"),
		Routes: filepath.Join(dir, "routes.json"), EndWithin: 50 * time.Millisecond, Drain: 200 * time.Millisecond,
	}
	first := follow(t, cfg)
	if err := admin.NewClient(cfg.Admin).SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	bad := cfg
	bad.AccessLog = filepath.Join(dir, "none", "access.log")
	if err := gateway.Run(t.Context(), bad); err == nil {
		t.Fatal("started with a log that cannot be written")
	}
	if status, text := get(t, "http://"+first.addr.String()); status != http.StatusOK || text != "ok" {
		t.Errorf("after an attempt that failed: %d %q", status, text)
	}
	orders := admin.NewClient(cfg.Admin)
	for late := time.Now().Add(10 * time.Second); ; { // it may not have heard yet that nobody takes over
		err := orders.SetRoutes(t.Context(), all("a"))
		if err == nil {
			break
		}
		if time.Now().After(late) {
			t.Fatalf("orders after an attempt that failed: %v", err)
		}
	}
	ends := func(what string, g generation, e *echo) {
		select {
		case <-g.ended:
		case <-time.After(20 * time.Second):
			t.Fatal(what)
		}
		if _, err := e.read.ReadByte(); err == nil {
			t.Errorf("%s: the stream goes on", what)
		}
	}
	open := openEcho(t, first.addr.String())
	cfg.Drain = 200 * time.Millisecond
	second := follow(t, cfg)
	ends("the bound of the drain", first, open)
	open = openEcho(t, first.addr.String())
	cfg.Drain = time.Hour
	follow(t, cfg)
	second.stop()
	ends("an end while it drains", second, open)
}
