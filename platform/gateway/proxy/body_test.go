package proxy_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/platform/gateway/proxy"
)

// noise returns n bytes that a seed makes.
func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(b)
	return b
}

// Large bodies arrive whole, of known length and of open, both ways at once too.
func TestLargeBodies(t *testing.T) {
	body := noise(32 << 20)
	sum := func(b []byte) string { s := sha256.Sum256(b); return hex.EncodeToString(s[:]) }
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/echo": // answers while it reads
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.Copy(w, r.Body)
		case "/down":
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
			_, _ = w.Write(body)
		case "/up":
			got, err := io.ReadAll(r.Body)
			_, _ = fmt.Fprint(w, r.ContentLength, sum(got), err)
		}
	})
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		e := newEdge(t, everything("a"), nil, in)
		open := struct{ io.Reader }{bytes.NewReader(body)}
		if _, text := must(t, c, "POST", e.url+"/echo", open); sum([]byte(text)) != sum(body) {
			t.Errorf("the echo of %d bytes has %d", len(body), len(text))
		}
		if res, text := must(t, c, "GET", e.url+"/down", nil); sum([]byte(text)) != sum(body) || res.ContentLength != int64(len(body)) {
			t.Errorf("of %d bytes %d arrived, announced were %d", len(body), len(text), res.ContentLength)
		}
		if _, text := must(t, c, "PUT", e.url+"/up", bytes.NewReader(body)); text != fmt.Sprint(len(body), sum(body), nil) {
			t.Errorf("the upload was read as %s", text)
		}
		open = struct{ io.Reader }{bytes.NewReader(body)}
		if _, text := must(t, c, "POST", e.url+"/up", open); text != fmt.Sprint(-1, sum(body), nil) {
			t.Errorf("the upload of open length was read as %s", text)
		}
	})
}

// Answers without a body stay so, and keep what their header says of one.
func TestAnswersWithoutABody(t *testing.T) {
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/length":
			w.Header().Set("Content-Length", "1234")
			if r.Method == http.MethodGet {
				_, _ = w.Write(make([]byte, 1234))
			}
		case "/204":
			w.WriteHeader(http.StatusNoContent)
		case "/304":
			w.Header().Set("Etag", `"7"`)
			w.WriteHeader(http.StatusNotModified)
		case "/empty":
			w.WriteHeader(http.StatusAccepted)
		}
	})
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		e := newEdge(t, everything("a"), nil, in)
		for _, test := range []struct {
			method, path string
			status       int
			length       string
		}{
			{"HEAD", "/length", 200, "1234"},
			{"GET", "/length", 200, "1234"},
			{"GET", "/204", 204, ""},
			{"GET", "/304", 304, ""},
			{"HEAD", "/304", 304, ""},
			{"POST", "/empty", 202, "0"},
			{"HEAD", "/empty", 202, ""},
			{"DELETE", "/204", 204, ""},
		} {
			res, text := must(t, c, test.method, e.url+test.path, nil)
			if res.StatusCode != test.status || res.Header.Get("Content-Length") != test.length || (len(text) > 0) != (test.method == "GET" && test.length != "") {
				t.Errorf("%s %s: %s, length %q, %d bytes", test.method, test.path, res.Status, res.Header.Get("Content-Length"), len(text))
			}
			if test.path == "/304" && res.Header.Get("Etag") != `"7"` {
				t.Errorf("304 lost its header: %v", res.Header)
			}
		}
	})
}

type readFunc func(p []byte) (int, error)

func (f readFunc) Read(p []byte) (int, error) { return f(p) }

func TestEarlyHints(t *testing.T) {
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "page")
	})
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		e := newEdge(t, everything("a"), nil, in)
		var hints []string
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(status int, h textproto.MIMEHeader) error {
			hints = append(hints, fmt.Sprint(status, h["Link"]))
			return nil
		}})
		req, err := http.NewRequestWithContext(ctx, "GET", e.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if b, _ := io.ReadAll(res.Body); string(b) != "page" || fmt.Sprint(hints) != "[103 [</style.css>; rel=preload]]" || res.Header.Get("Link") != "" {
			t.Errorf("%q after %v, header %v", b, hints, res.Header)
		}
	})
}

func TestTrailers(t *testing.T) {
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/unannounced" {
			w.Header().Set("Trailer", "X-Sum")
		}
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path == "/unannounced" {
			w.Header().Set(http.TrailerPrefix+"X-Sum", "7")
		} else {
			w.Header().Set("X-Sum", "7")
		}
	})
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		e := newEdge(t, everything("a"), nil, in)
		for _, path := range []string{"/announced", "/unannounced"} {
			res, text := must(t, c, "GET", e.url+path, nil)
			if text != "body" || res.Trailer.Get("X-Sum") != "7" {
				t.Errorf("%s: %q, trailer %v", path, text, res.Trailer)
			}
		}
	})
}

// An upload may take longer than an instance may be silent.
func TestLongUploadIsNoSilence(t *testing.T) {
	const silence = 100 * time.Millisecond
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		_, _ = fmt.Fprint(w, len(b), err)
	})
	e := newEdge(t, everything("a"), func(_ *call.Config, cfg *proxy.Config) { cfg.AnswerTimeout = silence }, in)
	tick := time.NewTicker(silence / 4)
	defer tick.Stop()
	left := 12 // three silences
	_, text := must(t, client(t, false), "POST", e.url, readFunc(func(p []byte) (int, error) {
		<-tick.C
		if left--; left == 0 {
			return 0, io.EOF
		}
		return copy(p, "x"), nil
	}))
	if text != "11 <nil>" {
		t.Errorf("got %s", text)
	}
}

// A body that cannot be read is the client's fault, not the instance's.
func TestBadBodies(t *testing.T) {
	in := serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err == nil {
			t.Error("a broken body arrived as a whole one")
		}
		panic(http.ErrAbortHandler)
	})
	e := newEdge(t, everything("a"), nil, in)
	for _, body := range []string{"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n"} {
		for _, key := range []string{"", "Idempotency-Key: k\r\n"} {
			_, r := raw(t, e.addr, "POST / HTTP/1.1\r\nHost: x\r\n"+key+body)
			if res, err := http.ReadResponse(r, nil); err != nil || res.StatusCode != http.StatusBadRequest || !res.Close {
				t.Errorf("%q: %v, %v", body, res, err)
			}
		}
	}
}

// An instance may answer, and end, before it has all of the body; then the client has
// the whole answer.
func TestAnswerOvertakesTheBody(t *testing.T) {
	in := serve(t, "a-1", "a", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		_, _ = io.WriteString(w, "too large")
	})
	e := newEdge(t, everything("a"), nil, in)
	c, r := raw(t, e.addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || string(b) != "too large" || res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Errorf("%s %q %v", res.Status, b, err)
	}
	_ = c.Close()
}

// Who goes away is not worked for.
func TestClientAborts(t *testing.T) {
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		begun, over := make(chan struct{}), make(chan error, 1)
		in := serve(t, "a-1", "a", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if r.URL.Path == "/midway" {
				w.WriteHeader(http.StatusOK)
				_ = http.NewResponseController(w).Flush()
			}
			begun <- struct{}{}
			<-r.Context().Done()
			over <- r.Context().Err()
		})
		e := newEdge(t, everything("a"), nil, in)
		for _, path := range []string{"/before", "/midway"} {
			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, "POST", e.url+path, strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			failed, answered := make(chan error, 1), make(chan struct{})
			go func() {
				res, err := c.Do(req)
				if err == nil {
					close(answered)
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
				}
				failed <- err
			}()
			<-begun
			if path == "/midway" {
				receive(t, "the header", answered)
			}
			cancel()
			if err := receive(t, "the client's error", failed); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: the client got %v", path, err)
			}
			receive(t, "the instance hears of it", over)
		}
		c.CloseIdleConnections()
		lines := e.logged(t)
		if len(lines) != 2 || lines[0].Status != 499 || lines[1].Status != 200 {
			t.Errorf("logged: %+v", lines)
		}
		for _, l := range lines {
			if !strings.Contains(l.Error, "the client went away") {
				t.Errorf("logged: %+v", l)
			}
		}
		if text := scrape(t, e); strings.Contains(text, "upstream_failures_total{") {
			t.Errorf("the instance is blamed:\n%s", text)
		}
	})
}
