package proxy_test

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/proxy"
)

// dying are two instances, of which the one that gets the first request dies of it:
// after it has read the body and written so much of an answer.
func dying(t *testing.T, partial string) (instances []discovery.Instance, bodies func() []string) {
	t.Helper()
	var first atomic.Bool
	var mu sync.Mutex
	var seen []string
	handler := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		mu.Lock()
		seen = append(seen, string(body))
		mu.Unlock()
		if first.CompareAndSwap(false, true) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(conn, partial)
			_ = conn.Close()
			return
		}
		_, _ = io.WriteString(w, "done")
	}
	instances = []discovery.Instance{serve(t, "a-1", "a", handler), serve(t, "a-2", "a", handler)}
	return instances, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

// An instance that dies before it has answered costs nothing where the request may be
// sent again; where it may not, it is sent once.
func TestInstanceDiesBeforeItsAnswer(t *testing.T) {
	small, large := strings.Repeat("s", 1000), strings.Repeat("l", 65<<10)
	for name, test := range map[string]struct {
		method, key, body string
		chunked           bool
		again             bool
	}{
		"GET":                      {method: "GET", again: true},
		"HEAD":                     {method: "HEAD", again: true},
		"DELETE":                   {method: "DELETE", again: true},
		"PUT":                      {method: "PUT", body: small, again: true},
		"POST":                     {method: "POST", body: small},
		"POST without a body":      {method: "POST"},
		"PATCH":                    {method: "PATCH", body: small},
		"POST, key":                {method: "POST", key: "k", body: small, again: true},
		"POST, key, no body":       {method: "POST", key: "k", again: true},
		"POST, key, 64 KiB":        {method: "POST", key: "k", body: large[:64<<10], again: true},
		"POST, key, larger":        {method: "POST", key: "k", body: large},
		"PUT, larger":              {method: "PUT", body: large},
		"POST, key, length open":   {method: "POST", key: "k", body: small, chunked: true},
		"GET, a partial header":    {method: "GET", again: true},
		"POST, a partial header":   {method: "POST", body: small},
		"PUT, key, partial header": {method: "PUT", key: "k", body: small, again: true},
	} {
		t.Run(name, func(t *testing.T) {
			partial := ""
			if strings.Contains(name, "partial") {
				partial = "HTTP/1.1 200 OK\r\nContent-Le"
			}
			instances, bodies := dying(t, partial)
			e := newEdge(t, everything("a"), nil, instances...)
			header := []string{}
			if test.key != "" {
				header = append(header, "Idempotency-Key", test.key)
			}
			var body io.Reader = strings.NewReader(test.body)
			if test.chunked {
				body = struct{ io.Reader }{body}
			}
			res, text := must(t, client(t, false), test.method, e.url, body, header...)
			want := []string{test.body}
			status := http.StatusBadGateway
			if test.again {
				want, status = append(want, test.body), http.StatusOK
			}
			if res.StatusCode != status || fmt.Sprint(bodies()) != fmt.Sprint(want) {
				t.Errorf("%s %q; sent %d times, want %d %d times", res.Status, text, len(bodies()), status, len(want))
			}
			l := e.logged(t)[0]
			if l.Retries != len(want)-1 || l.Status != status || (l.Error == "") != test.again {
				t.Errorf("logged: %+v", l)
			}
			if !test.again && !strings.Contains(text, "it is not known whether") {
				t.Errorf("the client is told %q", text)
			}
		})
	}
}

// A connection that is refused has taken nothing, so any request goes elsewhere, its
// body with it.
func TestInstanceRefuses(t *testing.T) {
	instances, bodies := dying(t, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone")
	e := newEdge(t, everything("a"), nil, at("a-0", "a", nowhere(t)), instances[0])
	c := client(t, false)
	large := strings.Repeat("x", 1<<20)
	for range 2 { // one of them begins with the one that refuses
		if res, text := must(t, c, "POST", e.url, strings.NewReader(large)); res.StatusCode != http.StatusOK || text != "done" {
			t.Errorf("%s %q", res.Status, text)
		}
	}
	for _, b := range bodies() {
		if b != large {
			t.Errorf("a body of %d bytes arrived, want %d", len(b), len(large))
		}
	}
	lines := e.logged(t)
	if lines[0].Retries+lines[1].Retries != 1 || lines[0].Instance != "a-1" || lines[1].Instance != "a-1" {
		t.Errorf("logged: %+v", lines)
	}
}

// An answer that breaks off is no answer: the client can tell it from a whole one,
// and where nothing of it has left the edge it gets 502.
func TestInstanceDiesInItsAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		partial string
		status  int // 0: the client's connection breaks
	}{
		"length, nothing":   {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", 502},
		"length, a part":    {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0},
		"chunks, a part":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 0},
		"chunks, no end":    {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", 0},
		"chunks, malformed": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n", 0},
	} {
		bothProtocols(t, func(t *testing.T, c *http.Client) {
			instances, _ := dying(t, test.partial)
			e := newEdge(t, everything("a"), nil, instances...)
			res, text, err := do(t, c, "POST", e.url, nil)
			refused := err == nil && res.StatusCode == http.StatusBadGateway && strings.Contains(test.partial, "zz") // it was seen before anything left
			if test.status != 0 && (err != nil || res.StatusCode != test.status) || test.status == 0 && err == nil && !refused {
				t.Errorf("%s: %v %q %v", name, res, text, err)
			}
			c.CloseIdleConnections()
			if l := e.logged(t)[0]; l.Error == "" || !strings.Contains(l.Error, "broke off") {
				t.Errorf("%s: logged %+v", name, l)
			}
			if text := scrape(t, e); !strings.Contains(text, `muster_edge_upstream_failures_total{service="a"} 1`) {
				t.Errorf("%s: the failure is not counted", name)
			}
		})
	}
}

// Lies an instance may tell cost the client a 502, never the edge its mind.
func TestMalformedAnswers(t *testing.T) {
	for _, answer := range []string{
		"", "HTTP/1.1 099 Low\r\n\r\n", "HTTP/1.1 000 Low\r\n\r\n", "HTTP/1.1 600 Odd\r\n\r\n", "HTTP/1.1 999 Odd\r\n\r\n", "garbage\r\n\r\n", "HTTP/1.1 2 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nBad(Name: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("a", 11<<20) + "\r\n\r\n",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() {
					_, _ = c.Read(make([]byte, 4096))
					_, _ = io.WriteString(c, answer)
					_ = c.Close()
				}()
			}
		}()
		var faults strings.Builder
		tune := func(_ *call.Config, c *proxy.Config) { c.Faults = slog.New(slog.NewTextHandler(&faults, nil)) }
		e := newEdge(t, everything("a"), tune, at("a-1", "a", l.Addr().String()))
		res, text := must(t, client(t, false), "POST", e.url, nil)
		if res.StatusCode != http.StatusBadGateway {
			t.Errorf("%.60q: %s %q", answer, res.Status, text)
		}
		e.end()
		if odd := strings.Contains(answer, "Odd"); odd != strings.Contains(faults.String(), "level=ERROR") || odd != strings.Contains(faults.String(), "instance=a-1") {
			t.Errorf("%.60q: %q", answer, faults.String())
		}
		_ = l.Close()
	}
}

// With all instances gone in the middle of a request it still ends, and says so.
func TestAllInstancesDie(t *testing.T) {
	cut := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", cut), serve(t, "a-2", "a", cut))
	res, _ := must(t, client(t, false), "GET", e.url, nil)
	if l := e.logged(t)[0]; res.StatusCode != http.StatusBadGateway || l.Retries != 2 {
		t.Errorf("%s, logged %+v", res.Status, l)
	}
}
