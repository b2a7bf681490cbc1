package edge_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
)

// TestBothEngines holds what docs/playbook/gateway.md says of HTTP/1.1 against both engines:
// a host whose routes the edge's own serves, and one whose need net/http.
func TestBothEngines(t *testing.T) {
	ends := make(chan error, 10)
	var hits atomic.Int64
	s := httptest.NewServer(instance(ends, &hits))
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	e := open(t, map[string][]discovery.Instance{"a": at(discovery.HTTP, s.Listener.Addr().String())}, object{
		"routes": []object{
			{"host": "own.test", "path": "/", "service": "a"},
			{"host": "nethttp.test", "path": "/", "service": "a", "filters": []string{"wrapped"}},
			{"host": "own.test", "path": "/nobody", "service": "b"},
			{"host": "nethttp.test", "path": "/nobody", "service": "b", "filters": []string{"wrapped"}},
		},
		"filters": object{"wrapped": object{"kind": "middleware", "with": object{"name": "nothing"}}},
	})
	for _, host := range []string{"own.test", "nethttp.test"} {
		t.Run(host, func(t *testing.T) {
			for name, try := range behaviours(host, ends, &hits) {
				t.Run(name, func(t *testing.T) {
					e.each(t, func(t *testing.T, in *entrance) { try(t, newTalk(t, in)) })
				})
			}
		})
	}
}

// instance is what stands behind the edge.
func instance(ends chan<- error, hits *atomic.Int64) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("/fields", func(w http.ResponseWriter, r *http.Request) { _ = json.NewEncoder(w).Encode(r.Header) })
	m.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	m.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.PathValue("code"))
		w.WriteHeader(code)
	})
	m.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "id: 1\ndata: after %s\n\n", r.Header.Get("Last-Event-Id"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		ends <- r.Context().Err()
	})
	m.HandleFunc("/trailers", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	m.HandleFunc("/refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) })
	m.HandleFunc("/half", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		cut(w)
	})
	m.HandleFunc("/dies", func(w http.ResponseWriter, r *http.Request) {
		if hits.Add(1)%2 == 1 {
			cut(w)
			return
		}
		_, _ = io.Copy(w, r.Body)
	})
	m.HandleFunc("/never", func(w http.ResponseWriter, _ *http.Request) { cut(w) })
	return m
}

// cut ends a connection as a process that dies does.
func cut(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

// behaviours are a test each.
func behaviours(host string, ends <-chan error, hits *atomic.Int64) map[string]func(*testing.T, *talk) {
	head := "Host: " + host + "\n"
	return map[string]func(*testing.T, *talk){
		"requests in a row, and one behind the other": func(_ *testing.T, c *talk) {
			for i := range 3 {
				c.send("POST /echo HTTP/1.1\n"+head+"Content-Length: 2\n\n%d.", i)
				c.want("POST", 200, fmt.Sprintf("%d.", i))
			}
			c.send("POST /echo HTTP/1.1\n" + head + "Content-Length: 1\n\naGET /status/204 HTTP/1.1\n" + head + "\nPOST /echo HTTP/1.1\n" + head + "Transfer-Encoding: chunked\n\n1\nb\n0\n\n")
			c.want("POST", 200, "a")
			c.want("GET", 204, "")
			c.want("POST", 200, "b")
		},
		"HTTP/1.0, and Connection: close": func(t *testing.T, c *talk) {
			c.send("GET /trailers HTTP/1.0\n" + head + "\n")
			if res, body, _ := c.answer("GET"); body != "body" || len(res.TransferEncoding) > 0 {
				t.Errorf("HTTP/1.0 is answered %q in %v", body, res.TransferEncoding)
			}
			c.ended()
			d := newTalk(t, c.to)
			d.send("GET /status/200 HTTP/1.1\n" + head + "Connection: close\n\n")
			d.want("GET", 200, "")
			d.ended()
		},
		"answers without a body": func(_ *testing.T, c *talk) {
			c.send("HEAD /echo HTTP/1.1\n" + head + "\n")
			c.want("HEAD", 200, "")
			for _, code := range []int{204, 304} {
				c.send("GET /status/%d HTTP/1.1\n"+head+"\n", code)
				c.want("GET", code, "")
			}
		},
		"a long body both ways": func(_ *testing.T, c *talk) {
			long := strings.Repeat("0123456789abcdef", 1<<16)
			go func() {
				_, _ = fmt.Fprintf(c, "POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, len(long), long)
			}()
			c.want("POST", 200, long)
		},
		"trailers": func(t *testing.T, c *talk) {
			c.send("GET /trailers HTTP/1.1\n" + head + "TE: trailers\n\n")
			if res := c.want("GET", 200, "body"); res.Trailer.Get("X-Sum") != "42" {
				t.Errorf("trailers: %v", res.Trailer)
			}
		},
		"who asks": func(t *testing.T, c *talk) {
			c.send("GET /fields HTTP/1.1\n" + head + "X-Forwarded-For: 192.0.2.1\nX_Forwarded_For: 192.0.2.2\nX-Real-Ip: 192.0.2.3\nForwarded: for=192.0.2.4\n" +
				"X-Auth-Subject: root\nx_auth_subject: root\nProxy: evil\nX-Request-Id: mine\nConnection: X-Hop\nX-Hop: a\nX-Kept: b\n\n")
			res, body, _ := c.answer("GET")
			var got http.Header
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatalf("%d: %v", res.StatusCode, err)
			}
			if got.Get("X-Forwarded-For") != "127.0.0.1" || got.Get("X-Forwarded-Host") != host || got.Get("X-Kept") != "b" || got.Get("X-Request-Id") != "mine" || res.Header.Get("X-Request-Id") != "mine" {
				t.Errorf("the service is told %v", got)
			}
			for name, values := range got {
				if text := fmt.Sprint(name, values); strings.Contains(text, "192.0.2.") || strings.Contains(text, "root") || name == "Proxy" || name == "X-Hop" {
					t.Errorf("the service is told %s %q", name, values)
				}
			}
		},
		"paths that programs read differently": func(_ *testing.T, c *talk) {
			for _, path := range []string{"//echo", "/a/../echo", "/a/%2e%2e/echo", "/a%2fb", `/a%5cb`, "/%00"} {
				d := newTalk(c.t, c.to)
				d.send("GET %s HTTP/1.1\n"+head+"\n", path)
				d.problem(400, "invalid_argument")
			}
		},
		"nobody there": func(t *testing.T, c *talk) {
			c.send("GET /nobody HTTP/1.1\n" + head + "\n")
			if res := c.problem(503, "unavailable"); res.Header.Get("Retry-After") == "" {
				t.Error("without Retry-After")
			}
			c.send("GET /x HTTP/1.1\nHost: other.test\n\n")
			c.problem(404, "not_found")
		},
		"an instance that dies": func(_ *testing.T, c *talk) {
			hits.Store(0)
			c.send("PUT /dies HTTP/1.1\n" + head + "Content-Length: 5\n\nagain")
			c.want("PUT", 200, "again")
			c.send("POST /never HTTP/1.1\n" + head + "Content-Length: 4\n\nonce")
			c.problem(502, "unknown")
		},
		"half an answer": func(t *testing.T, c *talk) {
			c.send("GET /half HTTP/1.1\n" + head + "\n")
			if all, _ := io.ReadAll(c.in); len(all) > 0 { // it may be cut before its head
				res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(all)), nil)
				if err != nil {
					return
				}
				if body, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("half an answer is told as a whole one: %q", body)
				}
			}
		},
		"100-continue": func(t *testing.T, c *talk) {
			c.send("POST /echo HTTP/1.1\n" + head + "Content-Length: 4\nExpect: 100-continue\n\n")
			if line, err := c.in.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100") {
				t.Fatalf("%q, %v", line, err)
			}
			_, _ = c.in.ReadString('\n')
			c.send("body")
			c.want("POST", 200, "body")
			d := newTalk(t, c.to)
			d.send("POST /refuse HTTP/1.1\n" + head + "Content-Length: 1000000\nExpect: 100-continue\n\n")
			d.want("POST", 403, "")
		},
		"events at once, and the client's end": func(t *testing.T, c *talk) {
			c.send("GET /events HTTP/1.1\n" + head + "Last-Event-ID: 7\n\n")
			res, err := http.ReadResponse(c.in, nil)
			if err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
				t.Fatalf("%v, %v", res, err)
			}
			var got bytes.Buffer
			for !strings.Contains(got.String(), "\n\n") {
				buf := make([]byte, 100)
				n, err := res.Body.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				got.Write(buf[:n])
			}
			if got.String() != "id: 1\ndata: after 7\n\n" {
				t.Errorf("the event is %q", got.String())
			}
			_ = c.Close()
			select {
			case err := <-ends:
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("the service never learns that the client has gone")
			}
		},
		"too much": func(_ *testing.T, c *talk) {
			c.send("GET /%s HTTP/1.1\n"+head+"\n", strings.Repeat("a", 70<<10))
			if res, _, _ := c.answer("GET"); res.StatusCode != 414 && res.StatusCode != 431 {
				c.t.Errorf("a target of 70 KiB is answered %d", res.StatusCode)
			}
			d := newTalk(c.t, c.to)
			d.send("GET /echo HTTP/1.1\n"+head+"X: %s\n\n", strings.Repeat("a", 2<<20))
			if res, _, _ := d.answer("GET"); res.StatusCode != 431 {
				d.t.Errorf("a field of 2 MiB is answered %d", res.StatusCode)
			}
		},
	}
}
