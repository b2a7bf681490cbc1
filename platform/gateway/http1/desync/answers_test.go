package desync_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/platform/gateway/http1/desync"
	"github.com/musterdev/muster/platform/gateway/http1/grammar"
)

// liar is an instance that answers what it is told to at /bad, and as the recorder elsewhere.
type liar struct {
	addr string
	mu   sync.Mutex
	say  string
	quit bool // it closes the connection behind it
}

func (l *liar) tell(say string, quit bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.say, l.quit = say, quit
}

func lie(t *testing.T) *liar {
	t.Helper()
	in, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &liar{addr: in.Addr().String()}
	t.Cleanup(func() { _ = in.Close() })
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			go l.serve(c)
		}
	}()
	return l
}

func (l *liar) serve(c net.Conn) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		var say string
		var quit bool
		if r.URL.Path == "/bad" {
			l.mu.Lock()
			say, quit = l.say, l.quit
			l.mu.Unlock()
		} else {
			say = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: " + asRead(r, "").id() + "\r\n\r\nok"
		}
		if _, err := io.WriteString(c, say); err != nil || quit {
			return
		}
	}
}

// What an instance says is passed on as it was read, or is a 502, or a broken answer; and what it
// says too much is nobody's.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	l := lie(t)
	g := start(t, l.addr, &recorder{})
	for _, m := range desync.Answers() {
		t.Run(m.Name, func(t *testing.T) {
			status, body, waits := readAnswer(m.Bytes)
			l.tell(m.Bytes, waits)
			got, gotBody, err := g.ask("/bad")
			switch {
			case status == 0:
				if got != http.StatusBadGateway && err == nil {
					t.Errorf("%.300q is no answer; the client got %d %.60q", m.Bytes, got, gotBody)
				}
			case got != status || gotBody != body || err != nil:
				t.Errorf("%.300q should be %d %.60q; the client got %d %.60q, %v", m.Bytes, status, body, got, gotBody, err)
			}
			for i := range 3 {
				probe := request{http.MethodGet, fmt.Sprintf("/probe/%d", i), "probe", ""}
				if answers, err := g.converse(fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: probe\r\n\r\n", probe.target), []request{probe}, false); err != nil || answers[0].seen != probe.id() {
					t.Errorf("after %.300q the next client got %+v, %v", m.Bytes, answers, err)
				}
			}
		})
	}
}

// ask returns an answer as a whole, or why it is none.
func (g *rig) ask(path string) (status int, body string, err error) {
	c, err := net.Dial("tcp", g.edge)
	if err != nil {
		return 0, "", err
	}
	defer c.Close()
	_ = c.SetDeadline(deadline())
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return 0, "", err
	}
	for in := bufio.NewReader(c); ; {
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return 0, "", err
		}
		if res.StatusCode < 200 {
			continue
		}
		text, err := io.ReadAll(res.Body)
		return res.StatusCode, string(text), err
	}
}

// readAnswer says what an instance's bytes are to the client of a GET; 0: no answer. waits: the
// instance has to close the connection, or nobody knows that there is no more to come.
func readAnswer(bytes string) (status int, body string, waits bool) {
	var r grammar.Response
	for {
		n, err := r.Parse([]byte(bytes), http.MethodGet)
		if err != nil || n == 0 {
			return 0, "", err == nil
		}
		bytes = bytes[n:]
		if !r.Interim {
			break
		}
	}
	if r.Status < 200 || r.Status > 599 {
		return 0, "", false
	}
	switch {
	case r.Length == grammar.UntilClose:
		return r.Status, bytes, true
	case r.Length != grammar.Chunked:
		if r.Length > int64(len(bytes)) {
			return 0, "", true
		}
		return r.Status, bytes[:r.Length], false
	}
	c := grammar.Chunks{Answer: true}
	var b strings.Builder
	for rest := []byte(bytes); !c.Ended(); {
		n, data, err := c.Next(rest)
		if err != nil || n == 0 {
			return 0, "", err == nil
		}
		b.Write(data)
		rest = rest[n:]
	}
	return r.Status, b.String(), false
}
