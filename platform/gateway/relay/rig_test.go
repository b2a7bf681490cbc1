package relay_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// edge passes everything on to one service, by http1 at own and by net/http at other.
type edge struct {
	gateway    *proxy.Gateway
	own, other string
	log        *bytes.Buffer
	end        func() // ends it, when all requests have ended
}

func newEdge(t testing.TB, tune func(*http1.Config, *relay.Config), addrs ...string) *edge {
	t.Helper()
	var list []discovery.Instance
	for _, a := range addrs {
		list = append(list, discovery.Instance{ID: a, State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: a}})
	}
	resolver := discovery.Fixed(map[string][]discovery.Instance{"a": list})
	caller := call.New(call.Config{Resolver: resolver, Settings: resilience.Settings{Timeout: -1}})
	e := &edge{log: &bytes.Buffer{}}
	log := accesslog.New(e.log)
	cfg := relay.Config{Caller: caller, Upstream: upstream.New(upstream.Config{})}
	h := http1.Config{}
	if tune != nil {
		tune(&h, &cfg)
	}
	var err error
	e.gateway, err = proxy.New(proxy.Config{Caller: caller, Resolver: resolver, Metrics: prometheus.NewRegistry(), Log: log, AnswerTimeout: cfg.AnswerTimeout})
	if err != nil {
		t.Fatal(err)
	}
	table, err := route.New([]route.Route{{Path: "/", Service: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	e.gateway.SetTable(table)
	telemetry, err := observe.Start(context.Background(), observe.Config{Service: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Gateway, cfg.Edge = e.gateway, telemetry.Edge()
	other := nethttp.New(nethttp.Config{Handler: telemetry.EdgeHandler(e.gateway), Least: h.Least})
	h.Session, h.Other = relay.New(cfg).Session, other
	own := http1.New(h)
	var served sync.WaitGroup
	listen := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		served.Go(func() {
			if err := serve(l); err != nil {
				t.Error(err)
			}
		})
		return l.Addr().String()
	}
	e.own, e.other = listen(own.Serve), listen(other.Serve)
	e.end = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := errors.Join(own.Shutdown(ctx), other.Shutdown(ctx)); err != nil {
			t.Errorf("requests did not end: %v", err)
		}
		served.Wait()
		cfg.Upstream.Close()
		caller.Close()
		if err := log.Close(ctx); err != nil {
			t.Error(err)
		}
		if n := e.gateway.InFlight(); n != 0 {
			t.Errorf("%d requests in flight at the end", n)
		}
	})
	t.Cleanup(e.end)
	return e
}

// handled is an instance on net/http.
func handled(t testing.TB, f http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// scripted is an instance that does what f does with each connection.
func scripted(t testing.TB, f func(c *net.TCPConn, r *bufio.Reader)) string {
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
				tcp, _ := c.(*net.TCPConn)
				f(tcp, bufio.NewReader(c))
			}()
		}
	}()
	return l.Addr().String()
}

// head reads the head of a request, false when none comes.
func head(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == "\r\n" {
			return true
		}
	}
}

func dial(t testing.TB, addr string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	tcp, _ := c.(*net.TCPConn)
	return tcp, bufio.NewReader(c)
}

// got is a whole answer, or why there is none.
type got struct {
	status int
	body   string
	closes bool
	err    error
}

func answer(r *bufio.Reader, method string) got {
	res, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		return got{err: err}
	}
	b, err := io.ReadAll(res.Body)
	return got{res.StatusCode, string(b), res.Close, err}
}

func (e *edge) lines() []string {
	e.end()
	return strings.Split(strings.TrimSuffix(e.log.String(), "\n"), "\n")
}
