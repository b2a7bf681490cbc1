package http1_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// echo answers with the method, the path and the body of the request.
type echo struct{}

func (echo) Serve(t *http1.Turn) {
	switch string(t.Head.Path) {
	case "/hand":
		t.HandOver()
		return
	case "/hang":
		w := &waiter{over: make(chan struct{})}
		t.Wait(0, w)
		<-w.over
		t.Resume()
		t.Last()
		t.Break()
		return
	case "/panic":
		panic("as told")
	case "/refuse": // without a look at the body
		t.Last()
	}
	var body []byte
	if t.Head.Expect100 {
		t.Continue()
	}
	for string(t.Head.Path) != "/refuse" {
		p, err := t.Piece()
		body = append(body, p...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Last()
			t.Break()
			return
		}
	}
	text := fmt.Sprintf("%s %s %q", t.Head.Method, t.Head.Path, body)
	answer(t, http.StatusOK, text)
}

func (echo) Refuse(t *http1.Turn, f *grammar.Fault) { answer(t, f.Status, f.Reason) }

func answer(t *http1.Turn, status int, text string) {
	out := fmt.Appendf(t.Out[:0], "HTTP/1.1 %d %s\r\nContent-Length: %d\r\n", status, http.StatusText(status), len(text))
	if !t.Persists() {
		out = append(out, "Connection: close\r\n"...)
	} else if t.Head.Minor == 0 {
		out = append(out, "Connection: keep-alive\r\n"...)
	}
	if _, err := t.Write(append(append(out, "\r\n"...), text...)); err != nil {
		t.Last()
		t.Break()
	}
}

type waiter struct {
	once sync.Once
	over chan struct{}
}

func (w *waiter) Interrupt() { w.once.Do(func() { close(w.over) }) }

// hands are connections that were handed over.
type hands chan net.Conn

func (h hands) Take(c net.Conn) { h <- c }

// serve starts an engine and returns its address and what is handed over.
func serve(t *testing.T, tune func(*http1.Config)) (string, hands, *http1.Engine) {
	t.Helper()
	other := make(hands, 8)
	cfg := http1.Config{Session: func() http1.Session { return echo{} }, Other: other}
	if tune != nil {
		tune(&cfg)
	}
	e := http1.New(cfg)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- e.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = e.Shutdown(ctx) // some tests have done so
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String(), other, e
}

func dial(t *testing.T, addr string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	tcp, _ := c.(*net.TCPConn)
	return tcp, bufio.NewReader(c)
}

// says returns what an answer says: its status, its text, whether it is the last.
func says(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		return err.Error()
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	text := strconv.Itoa(res.StatusCode) + " " + string(b)
	if res.Close {
		text += " close"
	}
	return text
}

const (
	host = " HTTP/1.1\r\nHost: x\r\n"
	bare = host + "\r\n"
)

// Requests are answered in their order, however their bytes come.
func TestConversations(t *testing.T) {
	addr, _, _ := serve(t, nil)
	long := strings.Repeat("y", 40_000)
	for name, test := range map[string]struct {
		said string
		want []string
	}{
		"one":              {"GET /a" + bare, []string{`200 GET /a ""`}},
		"two in a row":     {"GET /a" + bare + "GET /b" + bare, []string{`200 GET /a ""`, `200 GET /b ""`}},
		"a body":           {"POST /a" + host + "Content-Length: 3\r\n\r\nabcGET /b" + bare, []string{`200 POST /a "abc"`, `200 GET /b ""`}},
		"chunks":           {"POST /a" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET /b" + bare, []string{`200 POST /a "3\r\nabc\r\n0\r\n\r\n"`, `200 GET /b ""`}},
		"a long body":      {"POST /a" + host + "Content-Length: 40000\r\n\r\n" + long + "GET /b" + bare, []string{`200 POST /a "` + long + `"`, `200 GET /b ""`}},
		"a long head":      {"GET /a" + host + "X: " + long + "\r\n\r\nGET /b" + bare, []string{`200 GET /a ""`, `200 GET /b ""`}},
		"an empty line":    {"GET /a" + bare + "\r\nGET /b" + bare, []string{`200 GET /a ""`, `200 GET /b ""`}},
		"close":            {"GET /a" + host + "Connection: close\r\n\r\nGET /b" + bare, []string{`200 GET /a "" close`, "unexpected EOF"}},
		"1.0":              {"GET /a HTTP/1.0\r\n\r\nGET /b" + bare, []string{`200 GET /a "" close`, "unexpected EOF"}},
		"1.0, kept":        {"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b" + bare, []string{`200 GET /a ""`, `200 GET /b ""`}},
		"unread body":      {"POST /refuse" + host + "Content-Length: 40000\r\n\r\n" + long, []string{`200 POST /refuse "" close`, "unexpected EOF"}},
		"bad":              {"GET /a" + bare + "GET /b\r\n\r\nGET /c" + bare, []string{`200 GET /a ""`, "400", "unexpected EOF"}},
		"bad chunks":       {"POST /a" + host + "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", []string{"unexpected EOF"}},
		"too large":        {"GET /a" + host + "X: " + strings.Repeat("y", 70_000) + "\r\n\r\n", []string{"431"}},
		"HTTP/2, too late": {"GET /a" + bare + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", []string{`200 GET /a ""`, "505"}},
	} {
		for _, size := range []int{len(test.said), 1400, 7} {
			if size == 7 && len(test.said) > 2000 {
				continue
			}
			t.Run(fmt.Sprint(name, " by ", size), func(t *testing.T) {
				c, r := dial(t, addr)
				go func() {
					for said := test.said; said != ""; said = said[min(size, len(said)):] {
						if _, err := io.WriteString(c, said[:min(size, len(said))]); err != nil {
							return // it was refused before it was said
						}
					}
				}()
				for _, want := range test.want {
					got := says(t, r)
					short := len(want) == 3 && strings.HasPrefix(got, want) && strings.HasSuffix(got, " close")
					if got != want && !short && !strings.Contains(got, "reset") && !(want == "unexpected EOF" && got == "EOF") {
						t.Fatalf("%.200q, want %.200q", got, want)
					}
				}
			})
		}
	}
}

// What is not served here is handed over, with all that was read of it.
func TestHandOver(t *testing.T) {
	addr, other, e := serve(t, nil)
	for name, test := range map[string]struct{ before, said string }{
		"HTTP/2":   {"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nabc"},
		"upgrade":  {"", "GET /a" + host + "Connection: Upgrade\r\nUpgrade: websocket\r\n\r\nabc"},
		"CONNECT":  {"", "CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\nabc"},
		"told":     {"", "GET /hand" + bare + "abc"},
		"later":    {"GET /a" + bare, "GET /hand" + bare + "abc"},
		"a body":   {"POST /a" + host + "Content-Length: 3\r\n\r\nabc", "POST /hand" + host + "Content-Length: 3\r\n\r\nabc"},
		"unserved": {"GET /a" + bare, "GET /b" + host + "Connection: Upgrade\r\nUpgrade: x\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := dial(t, addr)
			_, _ = io.WriteString(c, test.before+test.said)
			if test.before != "" {
				if got := says(t, r); !strings.HasPrefix(got, "200 ") {
					t.Fatal(got)
				}
			}
			taken := <-other
			defer taken.Close()
			_ = taken.SetDeadline(time.Now().Add(5 * time.Second))
			got := make([]byte, len(test.said))
			if _, err := io.ReadFull(taken, got); err != nil || string(got) != test.said {
				t.Errorf("%q, %v; want %q", got, err, test.said)
			}
			// from here on it is as any connection
			_, _ = io.WriteString(c, "more")
			more := make([]byte, 4)
			if _, err := io.ReadFull(taken, more); err != nil || string(more) != "more" {
				t.Errorf("%q, %v", more, err)
			}
			if half, ok := taken.(interface{ CloseWrite() error }); !ok || half.CloseWrite() != nil {
				t.Error("its writing side cannot be closed")
			}
			if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
				t.Errorf("%v, want the end", err)
			}
		})
	}
	if n := e.InFlight(); n != 0 {
		t.Errorf("%d requests in flight", n)
	}
}

// Slow and silent clients are cut off, each by its bound.
func TestSlowClients(t *testing.T) {
	addr, _, _ := serve(t, func(c *http1.Config) {
		c.HeaderTimeout, c.IdleTimeout, c.StallTimeout, c.LingerTimeout = 200*time.Millisecond, 300*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	})
	for name, test := range map[string]struct {
		said string
		want string // "" an end without an answer
	}{
		"says nothing":      {"", ""},
		"half a head":       {"GET /a HTTP/1.1\r\nHost:", "408"},
		"nothing after one": {"GET /a" + bare, `200 GET /a ""`},
		"half a body":       {"POST /a" + host + "Content-Length: 10\r\n\r\nabc", ""},
		"unread, endless":   {"POST /refuse" + host + "Content-Length: 10\r\n\r\nabc", `200 POST /refuse ""`},
	} {
		t.Run(name, func(t *testing.T) {
			c, r := dial(t, addr)
			began := time.Now()
			_, _ = io.WriteString(c, test.said)
			if test.want != "" {
				if got := says(t, r); !strings.HasPrefix(got, test.want) {
					t.Errorf("%q, want %q", got, test.want)
				}
			}
			if _, err := r.ReadByte(); err == nil {
				t.Error("it was answered again")
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

// A client that takes nothing of a long answer does not hold its connection for ever.
func TestSlowReader(t *testing.T) {
	addr, _, e := serve(t, func(c *http1.Config) { c.StallTimeout = 300 * time.Millisecond })
	c, _ := dial(t, addr)
	_ = c.SetReadBuffer(4096)
	for range 200 { // answers of 100 KB each, none of which is read
		if _, err := io.WriteString(c, "POST /a"+host+"Content-Length: 100000\r\n\r\n"+strings.Repeat("x", 100_000)); err != nil {
			break
		}
	}
	eventually(t, "it is cut off", func() bool { return e.InFlight() == 0 })
}

// The client's end is told to who waits on its behalf.
func TestClientGoes(t *testing.T) {
	addr, _, e := serve(t, nil)
	c, _ := dial(t, addr)
	_, _ = io.WriteString(c, "GET /hang"+bare)
	eventually(t, "it is served", func() bool { return e.InFlight() == 1 })
	_ = c.Close()
	eventually(t, "it has ended", func() bool { return e.InFlight() == 0 })
}

// A client that ends its side together with its request gets the answer, and then the end.
func TestHalfClose(t *testing.T) {
	addr, _, _ := serve(t, nil)
	for range 20 {
		c, r := dial(t, addr)
		_, _ = io.WriteString(c, "GET /a"+bare)
		_ = c.CloseWrite()
		if got := says(t, r); got != `200 GET /a ""` {
			t.Fatal(got)
		}
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
}

// Shutdown closes idle connections, lets requests end, and cuts those that do not.
func TestShutdown(t *testing.T) {
	addr, _, e := serve(t, nil)
	_, quiet := dial(t, addr)
	used, r := dial(t, addr)
	_, _ = io.WriteString(used, "GET /a"+bare)
	if got := says(t, r); got != `200 GET /a ""` {
		t.Fatal(got)
	}
	eventually(t, "it has ended", func() bool { return e.InFlight() == 0 })
	slow, answer := dial(t, addr)
	_, _ = io.WriteString(slow, "POST /a"+host+"Content-Length: 3\r\n\r\na")
	hangs, never := dial(t, addr)
	_, _ = io.WriteString(hangs, "GET /hang"+bare)
	eventually(t, "both are served", func() bool { return e.InFlight() == 2 })
	ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- e.Shutdown(ctx) }()
	for _, r := range []*bufio.Reader{quiet, r} {
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the end", err)
		}
	}
	_, _ = io.WriteString(slow, "bc")
	if got := says(t, answer); got != `200 POST /a "abc" close` {
		t.Error(got)
	}
	if _, err := never.ReadByte(); err == nil {
		t.Error("who waits was answered")
	}
	if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
		_ = c.Close()
		t.Error("it still accepts connections")
	}
}

// A session that panics costs its own connection only.
func TestPanic(t *testing.T) {
	addr, _, e := serve(t, nil)
	c, r := dial(t, addr)
	_, _ = io.WriteString(c, "GET /panic"+bare)
	if _, err := r.ReadByte(); err == nil {
		t.Error("it was answered")
	}
	c, r = dial(t, addr)
	_, _ = io.WriteString(c, "GET /a"+bare)
	if got := says(t, r); got != `200 GET /a ""` {
		t.Error(got)
	}
	if n := e.InFlight(); n != 0 {
		t.Errorf("%d in flight", n)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for over := time.After(10 * time.Second); ; {
		if holds() {
			return
		}
		select {
		case <-tick.C:
		case <-over:
			t.Fatalf("not so after 10 s: %s", what)
		}
	}
}
