package desync_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a server that keeps the bytes it gets, and reads them strictly: what is not a
// request, or is written in more than one way, it complains of.
type recorder struct {
	addr string

	mu       sync.Mutex
	requests []request
	bytes    map[net.Conn]*bytes.Buffer // since the last take
	wrong    []string
}

func record(t testing.TB) *recorder {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{addr: l.Addr().String(), bytes: map[net.Conn]*bytes.Buffer{}}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		r.mu.Lock()
		for c := range r.bytes {
			_ = c.Close()
		}
		r.mu.Unlock()
		serving.Wait()
	})
	return r
}

func (r *recorder) serve(c net.Conn) {
	defer c.Close()
	raw := &bytes.Buffer{}
	r.mu.Lock()
	r.bytes[c] = raw
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.bytes, c)
	}()
	in := bufio.NewReader(io.TeeReader(c, locked{&r.mu, raw}))
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			r.complain(err)
			return
		}
		if req.Header.Get("Expect") != "" {
			_, _ = io.WriteString(c, "HTTP/1.1 100 Continue\r\n\r\n")
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			r.complain(err)
			return
		}
		seen := asRead(req, string(body))
		r.mu.Lock()
		r.requests = append(r.requests, seen)
		r.check(raw.String())
		raw.Reset()
		r.mu.Unlock()
		answer := "ok"
		if req.Method == http.MethodHead {
			answer = ""
		}
		if _, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Seen: %s\r\n\r\n%s", seen.id(), answer); err != nil {
			return
		}
	}
}

// check compares how others would read the bytes of the last request.
func (r *recorder) check(raw string) {
	last := r.requests[len(r.requests)-1:]
	for _, s := range sloppies {
		if got, left := s.read(raw); left != "" || !slices.EqualFunc(got, last, same) {
			r.wrong = append(r.wrong, fmt.Sprintf("%.300q is read as %v by who takes %s, and %.60q is left", raw, got, s.name, left))
			return
		}
	}
}

func same(a, b request) bool { return a.id() == b.id() }

func (r *recorder) complain(err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || strings.Contains(err.Error(), "connection reset") {
		return // a request that was given up
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wrong = append(r.wrong, err.Error())
}

// take returns what came since the last call.
func (r *recorder) take() (requests []request, wrong []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	requests, wrong = r.requests, r.wrong
	r.requests, r.wrong = nil, nil
	return requests, wrong
}

type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

// deadline bounds every wait for the edge.
func deadline() time.Time { return time.Now().Add(15 * time.Second) }
