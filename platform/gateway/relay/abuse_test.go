package relay_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/relay"
)

// After the edge's own answer to a client that asked whether its body is wanted nothing is
// said to it any more, and its connection ends at once.
func TestNothingFollowsRefusal(t *testing.T) {
	addr := scripted(t, func(_ *net.TCPConn, r *bufio.Reader) { head(r) })
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	began := time.Now()
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
	if a := answer(r, "POST"); a.err != nil || a.status != http.StatusBadGateway || !a.closes {
		t.Errorf("%+v", a)
	}
	if rest, err := io.ReadAll(r); len(rest) > 0 || err != nil || time.Since(began) > 800*time.Millisecond {
		t.Errorf("after the answer: %q, %v, %v", rest, err, time.Since(began))
	}
}

// A client that goes away while the kernel moves an answer to it that has come to a standstill
// takes its request back.
func TestClientLeavesStalledAnswer(t *testing.T) {
	for name, stall := range map[string]time.Duration{"seen by the sweep": time.Minute, "when it seems to stall": 300 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan struct{}, 1)
			const part = 300_000
			addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
				head(r)
				_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", 1<<20, strings.Repeat("y", part))
				_, _ = io.Copy(io.Discard, r)
				ended <- struct{}{}
			})
			e := newEdge(t, func(h *http1.Config, _ *relay.Config) { h.StallTimeout = stall }, addr)
			c, r := dial(t, e.own)
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
			res, err := http.ReadResponse(r, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if _, err := io.CopyN(io.Discard, res.Body, part); err != nil {
				t.Fatal(err)
			}
			_ = c.Close()
			select {
			case <-ended:
			case <-time.After(10 * time.Second):
				t.Error("the instance is still asked")
			}
			if l := e.lines(); len(l) != 1 || !strings.Contains(l[0], `"canceled"`) && !strings.Contains(l[0], "went away") {
				t.Errorf("logged %q", l)
			}
		})
	}
}

// The time for an answer is that to its beginning, also where the body is still being sent then.
func TestAnswerThatBeganMayBeSilent(t *testing.T) {
	const patience = 100 * time.Millisecond
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
		_, _ = r.Discard(10)
		time.AfterFunc(5*patience, func() { _, _ = io.WriteString(c, "1\r\nb\r\n0\r\n\r\n") })
		_, _ = io.Copy(io.Discard, r)
	})
	e := newEdge(t, func(_ *http1.Config, c *relay.Config) { c.AnswerTimeout = patience }, addr)
	for _, at := range []string{e.own, e.other} {
		c, r := dial(t, at)
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n")
		time.AfterFunc(patience/2, func() { _, _ = io.WriteString(c, "0123456789") })
		if a := answer(r, "POST"); a.err != nil || a.body != "ab" {
			t.Errorf("%+v", a)
		}
	}
}

// The time that a client allows is not longer because its body comes slowly.
func TestDeadlineOfSlowBody(t *testing.T) {
	addr := scripted(t, func(_ *net.TCPConn, r *bufio.Reader) { _, _ = io.Copy(io.Discard, r) })
	e := newEdge(t, nil, addr)
	for _, at := range []string{e.own, e.other} {
		c, r := dial(t, at)
		began := time.Now()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nRequest-Timeout: 200\r\nContent-Length: 1000\r\n\r\n")
		go func() {
			tick := time.NewTicker(20 * time.Millisecond)
			defer tick.Stop()
			for range tick.C {
				if _, err := io.WriteString(c, "0"); err != nil {
					return
				}
			}
		}()
		if a := answer(r, "POST"); a.err != nil || a.status != http.StatusGatewayTimeout || time.Since(began) > 3*time.Second {
			t.Errorf("%+v after %v", a, time.Since(began))
		}
		_ = c.Close()
	}
}

// An answer whose head is longer than what is written at a time is passed on as any other; that
// of a status without a body says nothing of one's length.
func TestUnusualHeads(t *testing.T) {
	long := strings.Repeat("a", 60_000)
	var text string
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		for head(r) {
			_, _ = io.WriteString(c, text)
		}
	})
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	for _, text = range []string{
		"HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nX-A: " + long + "\r\nContent-Length: 4\r\n\r\n",
	} {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		res, err := http.ReadResponse(r, &http.Request{Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		none := res.StatusCode == http.StatusNoContent
		if err != nil || res.Header.Get("X-A") != long || !none && string(b) != "ok" || none && res.Header.Get("Content-Length") != "" {
			t.Errorf("%d %q %v, Content-Length %q", res.StatusCode, b, err, res.Header.Get("Content-Length"))
		}
	}
}

// What cannot be read has nothing of the request that was read before it, such as its trace.
func TestRefusedIsOnItsOwn(t *testing.T) {
	addr := handled(t, func(http.ResponseWriter, *http.Request) {})
	e := newEdge(t, nil, addr)
	c, r := dial(t, e.own)
	const trace = "0af7651916cd43dd8448eb211c80319c"
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nTraceparent: 00-"+trace+"-b7ad6b7169203331-01\r\n\r\n")
	if a := answer(r, "GET"); a.err != nil || a.status != http.StatusOK {
		t.Fatalf("%+v", a)
	}
	_, _ = io.WriteString(c, "BAD\r\n\r\n")
	if a := answer(r, "GET"); a.err != nil || a.status != http.StatusBadRequest || !a.closes {
		t.Errorf("%+v", a)
	}
	if l := e.lines(); len(l) != 2 || !strings.Contains(l[0], trace) || strings.Contains(l[1], trace) {
		t.Errorf("logged %q", l)
	}
}
