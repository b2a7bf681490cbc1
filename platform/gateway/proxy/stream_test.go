package proxy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/musterdev/muster/platform/gateway/route"
)

// Each event is at the client before the next is made, and the header before the first.
func TestStreamsAreFlushed(t *testing.T) {
	for _, kind := range []string{"text/event-stream", "text/event-stream; charset=utf-8", "application/x-ndjson"} {
		bothProtocols(t, func(t *testing.T, c *http.Client) {
			next := make(chan string)
			in := serve(t, "a-1", "a", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", kind)
				w.WriteHeader(http.StatusOK)
				control := http.NewResponseController(w)
				_ = control.Flush()
				for event := range next {
					_, _ = io.WriteString(w, event)
					_ = control.Flush()
				}
			})
			e := newEdge(t, everything("a"), nil, in)
			res, err := c.Get(e.url)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			r := bufio.NewReader(res.Body)
			for i := range 5 {
				event := fmt.Sprintf("data: %d\n", i)
				next <- event
				if got, err := r.ReadString('\n'); got != event || err != nil {
					t.Fatalf("%q, %v; want %q", got, err, event)
				}
			}
			close(next)
			if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil {
				t.Errorf("%q, %v at the end", rest, err)
			}
		})
	}
}

func socketServer(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"chat"}, OriginPatterns: []string{"*"}})
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow() //nolint:errcheck // closed already, if all is well
		conn.SetReadLimit(4 << 20)
		for {
			kind, message, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if err := conn.Write(r.Context(), kind, message); err != nil {
				return
			}
		}
	}
}

func TestWebSocket(t *testing.T) {
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", socketServer(t)))
	conn, res, err := websocket.Dial(t.Context(), e.url+"/chat", &websocket.DialOptions{Subprotocols: []string{"chat"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow() //nolint:errcheck // closed already, if all is well
	conn.SetReadLimit(4 << 20)
	if conn.Subprotocol() != "chat" || res.Header.Get("X-Request-Id") == "" {
		t.Errorf("the handshake lost something: %v", res.Header)
	}
	for _, message := range [][]byte{[]byte("hello"), {}, noise(2 << 20)} {
		if err := conn.Write(t.Context(), websocket.MessageBinary, message); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.Read(t.Context()); err != nil || string(got) != string(message) {
			t.Fatalf("%d bytes came back, %v; want %d", len(got), err, len(message))
		}
	}
	// A table without its route does not touch it.
	table, err := route.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	e.SetTable(table)
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if _, got, err := conn.Read(t.Context()); err != nil || string(got) != "still here" {
		t.Fatalf("%q, %v", got, err)
	}
	if err := conn.Close(websocket.StatusNormalClosure, "bye"); err != nil {
		t.Errorf("the closing handshake: %v", err)
	}
	l := e.logged(t)[0]
	if l.Status != http.StatusSwitchingProtocols || l.Bytes < 2<<20 || l.Error != "" || l.Instance != "a-1" {
		t.Errorf("logged: %+v", l)
	}
}

// upgrader switches to a protocol that says back what it hears, in lines, and "end"
// when it hears no more.
func upgrader(to string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "not asked to switch")
			return
		}
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		defer conn.Close()
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\nwelcome\n", to)
		for {
			line, err := buffered.ReadString('\n')
			if err != nil {
				break
			}
			_, _ = io.WriteString(conn, "heard "+line)
		}
		_, _ = io.WriteString(conn, "end\n")
	}
}

// Any protocol is passed on: with bytes that came along with the request's header,
// with those that came along with the answer's, and with one direction ended alone.
func TestUpgrade(t *testing.T) {
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", upgrader("foo/1")))
	c, r := raw(t, e.addr, "POST /x HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, upgrade\r\nUpgrade: foo/1\r\n\r\nearly\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Upgrade") != "foo/1" || res.Header.Get("Connection") != "Upgrade" {
		t.Fatalf("%v, %v", res, err)
	}
	_, _ = io.WriteString(c, "late\n")
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "welcome\nheard early\nheard late\nend\n" {
		t.Errorf("%q, %v", got, err)
	}
}

// h2c as an upgrade would open a way to the instance that nobody looks at.
func TestNoUpgradeToHTTP2(t *testing.T) {
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", upgrader("h2c")))
	_, r := raw(t, e.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("%v, %v", res, err)
	}
	if b, _ := io.ReadAll(res.Body); string(b) != "not asked to switch" {
		t.Errorf("%q", b)
	}
}

// The client offers a list, the instance takes of it what it will (RFC 9110, 7.8).
func TestUpgradeFromAList(t *testing.T) {
	for _, test := range []struct {
		proto, offer string // lines of the request
		seen, takes  string // by and of the instance
		status       int
	}{
		{"HTTP/1.1", "Upgrade: websocket, other/2", "websocket, other/2", "WebSocket", 101},
		{"HTTP/1.1", "Upgrade: websocket\r\nUpgrade: ,other/2 ,", "websocket, other/2", "other/2", 101},
		{"HTTP/1.1", "Upgrade: tls/1.0, http/1.1", "tls/1.0, http/1.1", "TLS/1.0, HTTP/1.1", 101},
		{"HTTP/1.1", "Upgrade: H2C, websocket, h2c/1", "websocket", "websocket", 101},
		{"HTTP/1.1", "Upgrade: h2c, websocket", "websocket", "h2c, websocket", 502},
		{"HTTP/1.1", "Upgrade: websocket, other", "websocket, other", "third", 502},
		{"HTTP/1.1", "Upgrade: websocket, other", "websocket, other", "other, third", 502},
		{"HTTP/1.1", "Upgrade: h2c, h2c", "", "h2c", 200},
		{"HTTP/1.0", "Upgrade: websocket", "", "websocket", 200},
	} {
		seen := make(chan string, 1)
		e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
			seen <- strings.Join(r.Header["Upgrade"], "|")
			upgrader(test.takes)(w, r)
		}))
		c, r := raw(t, e.addr, "GET / "+test.proto+"\r\nHost: x\r\nConnection: Upgrade\r\n"+test.offer+"\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if got := receive(t, "the request", seen); err != nil || res.StatusCode != test.status || got != test.seen {
			t.Errorf("%+v: %v, %v, seen %q", test, res, err, got)
		}
		_ = c.Close()
	}
}

func TestUpgradeToAnotherProtocolIsRefused(t *testing.T) {
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", upgrader("bar")))
	_, r := raw(t, e.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
	if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusBadGateway {
		t.Errorf("%v, %v", res, err)
	}
}

// Either side's sudden end ends the other.
func TestUpgradedConnectionDies(t *testing.T) {
	instance, over := make(chan net.Conn, 1), make(chan error, 1)
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
		instance <- conn
		_, err = conn.Read(make([]byte, 1))
		over <- err
		_ = conn.Close()
	}))
	for _, who := range []string{"client", "instance"} {
		c, r := raw(t, e.addr, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n")
		if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatalf("%v, %v", res, err)
		}
		behind := receive(t, "the instance's connection", instance)
		dies := map[string]net.Conn{"client": c, "instance": behind}[who].(*net.TCPConn)
		_ = dies.SetLinger(0) // a reset, as of a process that was killed
		_ = dies.Close()
		if err := receive(t, "the instance hears of the end", over); err == nil {
			t.Errorf("%s: the instance's read went on", who)
		}
		if _, err := r.ReadByte(); err == nil {
			t.Errorf("%s: the client's read went on", who)
		}
	}
}

// A new table is in use for the next request; streams do not notice.
func TestTableChangesUnderStreams(t *testing.T) {
	release := make(chan struct{})
	stream := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "begun\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-release:
			_, _ = io.WriteString(w, "ended\n")
		case <-r.Context().Done():
		}
	}
	name := func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "b") }
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		release = make(chan struct{})
		e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", stream), serve(t, "b-1", "b", name))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var bodies []*bufio.Reader
		for range 10 {
			req, err := http.NewRequestWithContext(ctx, "GET", e.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := c.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			bodies = append(bodies, bufio.NewReader(res.Body))
			if line, err := bodies[len(bodies)-1].ReadString('\n'); line != "begun\n" {
				t.Fatalf("%q, %v", line, err)
			}
		}
		for i := range 100 {
			routes := everything("b")
			if i%2 == 0 {
				routes = []route.Route{{Path: "/other", Service: "b"}}
			}
			table, err := route.New(routes)
			if err != nil {
				t.Fatal(err)
			}
			e.SetTable(table)
			res, text := must(t, client(t, false), "GET", e.url, nil)
			if i%2 == 1 && text != "b" || i%2 == 0 && res.StatusCode != http.StatusNotFound {
				t.Fatalf("table %d: %s %q", i, res.Status, text)
			}
		}
		close(release)
		for _, b := range bodies {
			if rest, err := io.ReadAll(b); err != nil || string(rest) != "ended\n" {
				t.Errorf("a stream ended with %q, %v", rest, err)
			}
		}
	})
}

// What an edge passes on while its table changes always fits one table or the other.
func TestTableChangesUnderLoad(t *testing.T) {
	name := func(n string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, n) }
	}
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", name("a")), serve(t, "b-1", "b", name("b")))
	stop := make(chan struct{})
	done := make(chan int)
	for range 4 {
		c := client(t, false)
		go func() {
			n := 0
			defer func() { done <- n }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				res, text, err := do(t, c, "GET", e.url, nil)
				if err != nil || res.StatusCode != 200 || text != "a" && text != "b" {
					t.Errorf("%v %q %v", res, text, err)
					return
				}
				n++
			}
		}()
	}
	eventually(t, "requests run", func() bool { return e.InFlight() > 0 })
	for i := range 500 {
		table, err := route.New(everything([]string{"a", "b"}[i%2]))
		if err != nil {
			t.Fatal(err)
		}
		e.SetTable(table)
	}
	eventually(t, "requests run", func() bool { return e.InFlight() > 0 })
	close(stop)
	total := 0
	for range 4 {
		total += <-done
	}
	if total == 0 {
		t.Error("no request was made meanwhile")
	}
}
