package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/relay"
)

// An instance that ends, or is reset, or stalls after any byte of its answer costs its client
// that answer: never is a part taken for a whole, and never does another request suffer.
func TestInstanceBreaksOffAtEachByte(t *testing.T) {
	const field = "X-A: b\r\n"
	for name, whole := range map[string]string{
		"sized":   "HTTP/1.1 200 OK\r\n" + field + "Content-Length: 5\r\n\r\nhello",
		"chunked": "HTTP/1.1 200 OK\r\n" + field + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n",
		"hints":   "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"empty":   "HTTP/1.1 204 No Content\r\n" + field + "\r\n",
	} {
		for _, how := range []string{"end", "reset"} {
			t.Run(name+" "+how, func(t *testing.T) {
				var cut atomic.Int64
				addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
					for head(r) {
						n := int(cut.Load())
						_, _ = io.WriteString(c, whole[:n])
						if n < len(whole) {
							if how == "reset" {
								_ = c.SetLinger(0)
							}
							return
						}
					}
				})
				e := newEdge(t, nil, addr)
				for n := range len(whole) + 1 {
					cut.Store(int64(n))
					c, r := dial(t, e.own)
					_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
					var a got
					for a = answer(r, "POST"); a.status == http.StatusEarlyHints; {
						a = answer(r, "POST")
					}
					switch {
					case n == len(whole):
						if a.err != nil || a.status != 200 && a.status != 204 {
							t.Errorf("whole: %+v", a)
						}
					case a.err == nil && a.status != http.StatusBadGateway:
						t.Errorf("after %d bytes: %+v is taken for an answer", n, a)
					}
					_ = c.Close()
				}
				broken := 0
				for _, l := range e.lines() {
					if strings.Contains(l, "broke off") {
						broken++
					}
				}
				if broken != len(whole) {
					t.Errorf("%d of %d are logged to have broken off", broken, len(whole))
				}
			})
		}
	}
}

// An instance that says nothing more is given up after its time, and is not used again.
func TestInstanceStalls(t *testing.T) {
	for name, part := range map[string]string{"nothing": "", "half a head": "HTTP/1.1 200 OK\r\nContent-"} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{}, 1)
			addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
				head(r)
				_, _ = io.WriteString(c, part)
				_, _ = io.Copy(io.Discard, r)
				ended <- struct{}{}
			})
			e := newEdge(t, func(_ *http1.Config, c *relay.Config) { c.AnswerTimeout = 200 * time.Millisecond }, addr)
			c, r := dial(t, e.own)
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
			if a := answer(r, "POST"); a.err != nil || a.status != http.StatusGatewayTimeout {
				t.Errorf("%+v", a)
			}
			<-ended
			// the client's connection is as before
			_, _ = io.WriteString(c, "GET /.. HTTP/1.1\r\nHost: x\r\n\r\n")
			if a := answer(r, "GET"); a.err != nil || a.status != http.StatusBadRequest {
				t.Errorf("%+v", a)
			}
		})
	}
}

// An idle connection on which an instance says something, or ends, is not used again; what
// it said is nobody's answer.
func TestIdleConnectionThatSpeaks(t *testing.T) {
	for name, after := range map[string]string{"an answer": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil", "a byte": "x", "the end": ""} {
		for _, at := range []string{"with the answer", "later"} {
			t.Run(name+" "+at, func(t *testing.T) {
				var connections atomic.Int64
				said := make(chan struct{}, 8)
				addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
					n := connections.Add(1)
					for head(r) {
						text := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d", n)
						if n > 1 {
							_, _ = io.WriteString(c, text)
							continue
						}
						if at == "later" {
							_, _ = io.WriteString(c, text)
							time.AfterFunc(20*time.Millisecond, func() {
								_, _ = io.WriteString(c, after)
								if after == "" {
									_ = c.CloseWrite()
								}
								said <- struct{}{}
							})
							continue
						}
						_, _ = io.WriteString(c, text+after)
						if after == "" {
							_ = c.CloseWrite()
						}
						said <- struct{}{}
					}
				})
				e := newEdge(t, nil, addr)
				c, r := dial(t, e.own)
				_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n")
				if a := answer(r, "POST"); a.body != "1" {
					t.Fatalf("%+v", a)
				}
				<-said
				time.AfterFunc(5*time.Millisecond, func() { _, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\n\r\n") }) // it has arrived by then
				if a := answer(r, "POST"); a.err != nil || a.body != "2" {
					t.Errorf("%+v", a)
				}
			})
		}
	}
}

// An answer that comes before the request's body was sent reaches its client at once, however
// much of the body there is, and however long the answer.
func TestEarlyAnswer(t *testing.T) {
	long := strings.Repeat("y", 3<<20)
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long)
		_ = c.CloseWrite()
		_, _ = r.ReadByte() // and no more of it
		time.AfterFunc(300*time.Millisecond, func() { _ = c.Close() })
		_, _ = r.Discard(1 << 30)
	})
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	go func() {
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
		_, _ = c.Write(make([]byte, 20_000_000)) // of 50 MB
	}()
	if a := answer(r, "POST"); a.err != nil || a.body != long || !a.closes {
		t.Errorf("%d bytes, closes %v, %v, logged %.400s", len(a.body), a.closes, a.err, e.lines())
	}
}

// Bodies of all sizes come through as they are, with their lengths, whatever buffers they fill.
func TestBodiesOfAllSizes(t *testing.T) {
	addr := handled(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/sized" {
			w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		}
		for ; len(b) > 0 && r.URL.Path == "/pieces"; b = b[min(len(b), 5000):] {
			_, _ = w.Write(b[:min(len(b), 5000)])
			_ = http.NewResponseController(w).Flush()
		}
		_, _ = w.Write(b)
	})
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	for _, path := range []string{"/sized", "/plain", "/pieces"} {
		for _, n := range []int{0, 1, 100, 4096, 8192, 8193, 16200, 16384, 16385, 20000, 65535, 65536, 65537, 200_000, 1 << 20, 3<<20 + 7} {
			body := strings.Repeat("0123456789", n/10+1)[:n]
			for _, method := range []string{"POST", "PUT"} {
				go func() {
					_, _ = io.WriteString(c, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, n, body))
				}()
				if a := answer(r, method); a.err != nil || a.body != body || a.closes {
					lines := e.lines()
					t.Fatalf("%s %s of %d bytes: %d of %d came, closes %v, %v: %s", method, path, n, len(a.body), a.status, a.closes, a.err, lines[len(lines)-1])
				}
			}
		}
	}
}

// A client that reads slowly gets all, for as long as it takes something now and then.
func TestSlowReader(t *testing.T) {
	const size = 4 << 20
	addr := handled(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		_, _ = w.Write(make([]byte, size))
	})
	e := newEdge(t, func(h *http1.Config, _ *relay.Config) { h.StallTimeout = 300 * time.Millisecond }, addr)
	c, r := dial(t, e.own)
	_ = c.SetReadBuffer(32 << 10)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	total, buf := 0, make([]byte, 16<<10)
	for total < size {
		<-tick.C
		n, err := res.Body.Read(buf)
		if total += n; err != nil && total < size {
			t.Fatalf("after %d bytes: %v", total, err)
		}
	}
}
