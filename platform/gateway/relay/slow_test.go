package relay_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/size"
	"github.com/musterdev/muster/platform/gateway/http1"
	"github.com/musterdev/muster/platform/gateway/pace"
	"github.com/musterdev/muster/platform/gateway/relay"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// What a client has to send in these tests: 2,000 bytes a second, after a quarter of one.
const (
	least = 2000
	from  = 250 * time.Millisecond
)

func patient(h *http1.Config, _ *relay.Config) { h.Least = pace.Least{Rate: least, From: from} }

// trickle sends n pieces, one in 10 ms, for as long as they are taken.
func trickle(c io.Writer, piece string, n int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range n {
		<-tick.C
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
	}
}

// reads is an instance that reads all, and says how much that was.
func reads(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, r.Body)
	_, _ = fmt.Fprint(w, n)
}

// bodies are all ways in which the engines read one. The pieces are of one byte.
var bodies = map[string]struct{ head, piece, end string }{
	"passed on": {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n", "0", ""},
	"gathered":  {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 120\r\n\r\n", "0", ""},
	"long":      {"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n", "0", ""},
	"in chunks": {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\n0\r\n", "0\r\n\r\n"},
	"asked for": {"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 120\r\n\r\n", "0", ""},
}

// Who sends a body too slowly is answered 408, by both engines, however the body is read, and
// nobody else is blamed for it.
func TestSlowBody(t *testing.T) {
	addr := handled(t, reads)
	var caller *call.Caller
	e := newEdge(t, func(h *http1.Config, c *relay.Config) {
		patient(h, c)
		caller = c.Caller
	}, addr)
	n := 0
	var asking sync.WaitGroup
	slow := func(name string, ask func() got) {
		n++
		asking.Go(func() {
			began := time.Now()
			a := ask()
			took := time.Since(began)
			if a.err != nil || a.status != http.StatusRequestTimeout || !strings.Contains(a.body, "did not arrive in time") {
				t.Errorf("%s: %+v", name, a)
			}
			if took < from || took > from+8*time.Second {
				t.Errorf("%s: it took %s", name, took)
			}
		})
	}
	for name, body := range bodies {
		for engine, at := range map[string]string{"own": e.own, "net/http": e.other} {
			c, r := dial(t, at)
			slow(name+" "+engine, func() got {
				_, _ = io.WriteString(c, body.head)
				go trickle(c, body.piece, 2000)
				a := final(r)
				if !a.closes {
					t.Errorf("%s: another request may follow", name)
				}
				return a
			})
		}
	}
	tr := &http.Transport{Protocols: &http.Protocols{}}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	for _, method := range []string{"POST", "PUT"} {
		slow(method+" HTTP/2", func() got {
			from, to := io.Pipe()
			go trickle(to, "0", 2000)
			defer from.Close()
			req, err := http.NewRequestWithContext(t.Context(), method, "http://"+e.other+"/", from)
			if err != nil {
				return got{err: err}
			}
			res, err := tr.RoundTrip(req)
			if err != nil {
				return got{err: err}
			}
			defer res.Body.Close()
			b, err := io.ReadAll(res.Body)
			return got{status: res.StatusCode, body: string(b), err: err}
		})
	}
	asking.Wait()
	c, r := dial(t, e.own)
	_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab")
	if a := answer(r, "POST"); a.status != http.StatusOK || a.body != "2" {
		t.Errorf("after the slow ones: %+v", a)
	}
	for _, service := range caller.Stats() {
		if a := service.Routes[0].Attempts; a.OK != 1 || a.Failed != 0 || a.Abandoned >= uint64(len(bodies)) { // net/http says that its client went away
			t.Errorf("the instance is blamed: %+v", a)
		}
	}
	lines := e.lines()
	if told := strings.Count(strings.Join(lines, "\n"), `"status":408`); told != n || len(lines) != n+1 {
		t.Errorf("%d of %d lines tell of %d requests: %s", told, len(lines), n, lines)
	}
}

// final returns the final answer.
func final(r *bufio.Reader) got {
	for {
		if a := answer(r, "POST"); a.status != http.StatusContinue {
			return a
		}
	}
}

// Who is as quick as it has to be gets an answer, however small the pieces, and so does who
// is slow where that is allowed: on the edge, or on a route.
func TestSlowEnough(t *testing.T) {
	t.Parallel()
	addr := handled(t, reads)
	with := func(c pace.Least) func(*http1.Config, *relay.Config) {
		return func(h *http1.Config, _ *relay.Config) { h.Least = c }
	}
	quick, all := newEdge(t, with(pace.Least{Rate: 4, From: time.Second}), addr), newEdge(t, with(pace.Least{Rate: -1, From: from}), addr)
	route := newEdge(t, patient, addr)
	s, err := snapshot.Compile(t.Context(), snapshot.Document{
		Routes:  route.gateway.Table().Routes(),
		Filters: map[string]filter.Spec{"slow": {Kind: "size", With: json.RawMessage(`{"least_rate": -1}`)}},
		Apply:   []string{"slow"},
	}, nil, snapshot.Config{Makers: map[string]filter.Maker{"size": size.Make}})
	if err != nil {
		t.Fatal(err)
	}
	route.gateway.Use(s)
	var asking sync.WaitGroup
	for name, e := range map[string]*edge{"quick enough": quick, "all may be slow": all, "the route's may be slow": route} {
		for how, body := range bodies {
			if how == "long" {
				continue
			}
			for engine, at := range map[string]string{"own": e.own, "net/http": e.other} {
				c, r := dial(t, at)
				asking.Go(func() {
					_, _ = io.WriteString(c, body.head)
					go func() {
						trickle(c, body.piece, 120)
						_, _ = io.WriteString(c, body.end)
					}()
					if a := final(r); a.err != nil || a.status != http.StatusOK || a.body != "120" {
						t.Errorf("%s, %s, %s: %+v", name, how, engine, a)
					}
				})
			}
		}
	}
	asking.Wait()
}

// A client that waits, as the instance takes nothing, is not slow: its time begins when it is
// waited for.
func TestClientThatWaitsIsNotSlow(t *testing.T) {
	t.Parallel()
	const length = 8 << 20 // twice what lies in buffers between the edge and the instance
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		_ = c.SetReadBuffer(64 << 10)
		head(r)
		taken := make(chan struct{})
		time.AfterFunc(2500*time.Millisecond, func() { close(taken) })
		<-taken
		n, _ := io.CopyN(io.Discard, r, length)
		_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%d", len(fmt.Sprint(n)), n)
	})
	// the whole body has two seconds
	e := newEdge(t, func(h *http1.Config, _ *relay.Config) { h.Least = pace.Least{Rate: length / 2, From: time.Second} }, addr)
	for engine, at := range map[string]string{"own": e.own, "net/http": e.other} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c, r := dial(t, at)
			go func() {
				_, _ = fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", length)
				_, _ = c.Write(make([]byte, length-1))
				time.AfterFunc(100*time.Millisecond, func() { _, _ = c.Write(make([]byte, 1)) }) // it is waited for
			}()
			if a := answer(r, "POST"); a.err != nil || a.body != fmt.Sprint(length) {
				t.Errorf("%+v", a)
			}
		})
	}
}

// Once the answer has begun, the body may be a stream that is silent for as long as it likes.
func TestStreamMaySayLittle(t *testing.T) {
	t.Parallel()
	addr := scripted(t, func(c *net.TCPConn, r *bufio.Reader) {
		head(r)
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
		if line, err := r.ReadString('b'); err == nil {
			_, _ = fmt.Fprintf(c, "%x\r\n%s\r\n0\r\n\r\n", len(line), line)
		}
	})
	e := newEdge(t, func(h *http1.Config, _ *relay.Config) { h.Least.From = time.Second }, addr)
	for engine, at := range map[string]string{"own": e.own, "net/http": e.other} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			c, r := dial(t, at)
			_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
			time.AfterFunc(2*time.Second, func() { _, _ = io.WriteString(c, "01234b") })
			if a := answer(r, "POST"); a.err != nil || a.body != "a01234b" {
				t.Errorf("%+v", a)
			}
		})
	}
}
