package proxy_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// A client that asks before it sends a body is answered by the instance: the body is
// sent only if that wants it.
func TestExpectContinue(t *testing.T) {
	read := make(chan bool, 1)
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/refuse" {
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusForbidden)
			return
		}
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(b), err)
	})
	e := newEdge(t, everything("a"), nil, in)
	for _, key := range []string{"", "k"} { // a body that is kept for another attempt is not asked for either
		for path, want := range map[string]string{"/take": "200 OK 5 <nil>", "/refuse": "403 Forbidden "} {
			body := readFunc(func(p []byte) (int, error) {
				read <- true
				return copy(p, "hello"), io.EOF
			})
			header := []string{"Expect", "100-continue"}
			if key != "" {
				header = append(header, "Idempotency-Key", key)
			}
			res, text := must(t, client(t, false), "POST", e.url+path, body, header...)
			if got := res.Status + " " + text; got != want {
				t.Errorf("%s: %s, want %s", path, got, want)
			}
			sent := false
			select {
			case sent = <-read:
			default:
			}
			if sent != (path == "/take") {
				t.Errorf("%s: body sent %v", path, sent)
			}
		}
	}
	// 100 is said once, before the final answer
	c, r := raw(t, e.addr, "POST /take HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
	if line, err := r.ReadString('\n'); err != nil || line != "HTTP/1.1 100 Continue\r\n" {
		t.Fatalf("%q, %v", line, err)
	}
	_, _ = io.WriteString(c, "ab")
	rest := bufio.NewReader(io.MultiReader(strings.NewReader("HTTP/1.1 100 Continue\r\n"), r))
	if res, err := http.ReadResponse(rest, nil); err != nil || res.StatusCode != 100 {
		t.Fatalf("%v, %v", res, err)
	}
	if res, err := http.ReadResponse(rest, nil); err != nil || res.StatusCode != 200 {
		t.Errorf("%v, %v", res, err)
	}
}

// duplex begins its answer and then says back what it hears, in lines. It tells left when
// its client has gone or has said all.
func duplex(left chan<- error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		w.WriteHeader(http.StatusOK)
		_ = control.Flush()
		lines := bufio.NewReader(r.Body)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				left <- err
				return
			}
			_, _ = io.WriteString(w, line)
			_ = control.Flush()
		}
	}
}

// asking are the headers of a client that waits to be told to send its body.
func asking() map[string]string {
	const head = "POST /talk HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
	return map[string]string{
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n",
		"sized":   head + "Content-Length: 100\r\n\r\n",
	}
}

// A stream of both sides whose answer begins before its body was asked for gets the body.
func TestExpectContinueDuplex(t *testing.T) {
	left := make(chan error, 1)
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", duplex(left)))
	for name, head := range asking() {
		t.Run(name, func(t *testing.T) {
			c, r := raw(t, e.addr, head)
			res, err := http.ReadResponse(r, nil)
			if err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%v, %v", res, err)
			}
			lines := bufio.NewReader(res.Body)
			for i := range 3 {
				line := fmt.Sprintf("line %d\n", i)
				said := line
				if name == "chunked" {
					said = fmt.Sprintf("%x\r\n%s\r\n", len(line), line)
				}
				if _, err := io.WriteString(c, said); err != nil {
					t.Fatal(err)
				}
				if got, err := lines.ReadString('\n'); err != nil || got != line {
					t.Fatalf("%q, %v; want %q", got, err, line)
				}
			}
			_ = c.Close()
			receive(t, "the instance hears that it is over", left)
		})
	}
	eventually(t, "nothing in flight", func() bool { return e.InFlight() == 0 })
}

// Who asked and went away once the answer had begun leaves nothing behind, at the edge or
// at the instance.
func TestExpectContinueHangUp(t *testing.T) {
	const clients = 5
	left := make(chan error, 2*clients)
	e := newEdge(t, everything("a"), nil, serve(t, "a-1", "a", duplex(left)))
	for range clients {
		for name, head := range asking() {
			c, r := raw(t, e.addr, head)
			if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("%s: %v, %v", name, res, err)
			}
			_ = c.Close()
		}
	}
	for range 2 * clients {
		if err := receive(t, "the instance hears that its client has gone", left); err == nil {
			t.Error("a stream that broke off arrived as a whole one")
		}
	}
	eventually(t, "nothing in flight", func() bool { return e.InFlight() == 0 })
	if lines := e.logged(t); len(lines) != 2*clients {
		t.Errorf("logged: %+v", lines)
	}
}

// An instance that knows nothing of being asked gets the body all the same.
func TestExpectContinueUnknown(t *testing.T) {
	addr := deaf(t)
	e := newEdge(t, everything("a"), nil, at("a-1", "a", addr))
	res, text := must(t, client(t, false), "POST", e.url, strings.NewReader("hello"), "Expect", "100-continue")
	if res.StatusCode != http.StatusOK || text != "hello" {
		t.Errorf("%s %q", res.Status, text)
	}
}

// deaf is an instance that takes one request, which is one that asks, and waits for its
// body without a word.
func deaf(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil || r.Header.Get("Expect") != "100-continue" {
			t.Errorf("%v, %v", r, err)
			return
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	}()
	return l.Addr().String()
}
