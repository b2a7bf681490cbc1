package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/problem"
)

// asking has a service with a fallback asked by one person after another.
type asking struct {
	*testing.T
	client *http.Client
}

// as returns what a person gets, and from what.
func (a asking) as(user, path string) (code int, text, from string) {
	a.Helper()
	r, _ := http.NewRequestWithContext(a.Context(), "GET", "http://stock"+path, nil)
	r.Header.Set("X-User", user)
	res, err := a.client.Do(r)
	if err != nil {
		a.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		a.Fatal(err)
	}
	return res.StatusCode, string(b), res.Header.Get(call.FallbackHeader)
}

// What was said to one person is given to nobody else, and what a person's cookie or the
// service says is theirs alone is given to nobody at all.
func TestLastGoodIsNobodyElses(t *testing.T) {
	var down atomic.Bool
	for name, test := range map[string]struct {
		header http.Header
		self   bool // the same person gets it again
	}{
		"open to all, with the length":  {http.Header{"Cache-Control": {"public, max-age=1"}, "Content-Length": {"9"}}, true},
		"open to all":                   {http.Header{}, true},
		"to be asked for again":         {http.Header{"Cache-Control": {"no-cache"}}, true},
		"varies by who asks":            {http.Header{"Vary": {"Accept, x-user"}}, true},
		"varies by anything":            {http.Header{"Vary": {"Accept, *"}}, false},
		"a cookie":                      {http.Header{"Set-Cookie": {"session=1"}}, false},
		"private":                       {http.Header{"Cache-Control": {"max-age=5, Private"}}, false},
		"private, by a field":           {http.Header{"Cache-Control": {`private="X-User"`}}, false},
		"not to be stored":              {http.Header{"Cache-Control": {"max-age=5", "no-store"}}, false},
		"private and varies, by length": {http.Header{"Cache-Control": {"private"}, "Vary": {"X-User"}, "Content-Length": {"9"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			down.Store(false)
			in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
				if down.Load() {
					http.Error(w, "down", http.StatusInternalServerError)
					return
				}
				maps.Copy(w.Header(), test.header)
				_, _ = io.WriteString(w, "for "+r.Header.Get("X-User"))
				if _, known := test.header["Content-Length"]; !known {
					_ = http.NewResponseController(w).Flush()
				}
			})
			c, view := newCaller(t, call.Config{}, in)
			say(view, `{"settings":{"fallback":{"last_good":"1m"}}}`)
			a := asking{t, c.Client("stock")}
			for range 2 { // the header that it varies by is known then
				if code, text, from := a.as("alice", "/me"); code != 200 || text != "for alice" || from != "" {
					t.Fatalf("%d %q %q", code, text, from)
				}
			}
			down.Store(true)
			code, text, from := a.as("alice", "/me")
			if again := code == 200 && text == "for alice" && from == "last good"; again != test.self || !test.self && code != 500 {
				t.Errorf("alice gets %d %q %q", code, text, from)
			}
			everybodys := test.self && test.header.Get("Vary") == ""
			if code, text, _ := a.as("mallory", "/me"); (code == 200) != everybodys {
				t.Errorf("mallory gets %d %q", code, text)
			}
		})
	}
}

// An answer whose end is not known, such as a stream of events, reaches the caller as it
// comes; it is kept when it was read to its end, unless it is events or too large.
func TestLastGoodHoldsNothingUp(t *testing.T) {
	var down atomic.Bool
	more := make(chan struct{})
	in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		switch r.URL.Path {
		case "/events":
			w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		case "/huge":
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
		}
		_, _ = io.WriteString(w, "{}")
		_ = http.NewResponseController(w).Flush()
		if r.URL.Path != "/json" {
			<-more
		}
		_, _ = io.WriteString(w, "\n")
	})
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"fallback":{"last_good":"1m"}}}`)
	for path, kept := range map[string]bool{"/events": false, "/rows": true, "/huge": false, "/json": true} {
		down.Store(false)
		res, err := c.Client("stock").Get("http://stock" + path)
		if err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 2)
		if _, err := io.ReadFull(res.Body, first); err != nil { // while the rest is not there yet
			t.Fatal(err)
		}
		if path != "/json" { // its reader stops at the end of the value
			more <- struct{}{}
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Fatal(err)
			}
		}
		_ = res.Body.Close()
		down.Store(true)
		if code, _, from := (asking{t, c.Client("stock")}).as("", path); (code == 200 && from == "last good") != kept {
			t.Errorf("%s: %d %q, want kept %v", path, code, from, kept)
		}
	}
	if n := settled(c, "a"); n != 0 {
		t.Errorf("%d attempts are left", n)
	}
}

// Closing a stream does not wait for its end, also while somebody reads of it.
func TestAStreamIsClosedAtOnce(t *testing.T) {
	in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "x")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"fallback":{"last_good":"1m"}}}`)
	for _, reads := range []bool{false, true} {
		res, err := c.Client("stock").Get("http://stock/")
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		if reads {
			go func() { _, err := io.Copy(io.Discard, res.Body); ended <- err }()
		} else {
			ended <- io.ErrUnexpectedEOF
		}
		_ = res.Body.Close()
		if err := <-ended; err == nil {
			t.Error("it ended well")
		}
	}
	if n := settled(c, "a"); n != 0 {
		t.Errorf("%d attempts are left", n)
	}
}

// A body whose length is known and that stalls is waited for no longer than the service's
// timeout; then the last good answer stands in.
func TestAStalledBodyEndsInTime(t *testing.T) {
	var stalls atomic.Bool
	in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "12345")
		if stalls.Load() {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "67890")
	})
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"timeout":"1s","fallback":{"last_good":"1m"}}}`)
	a := asking{t, c.Client("stock")}
	if _, text, _ := a.as("", "/x"); text != "1234567890" {
		t.Fatal(text)
	}
	stalls.Store(true)
	say(view, `{"settings":{"timeout":"50ms","fallback":{"last_good":"1m"}}}`)
	if code, text, from := a.as("", "/x"); code != 200 || text != "1234567890" || from != "last good" {
		t.Errorf("%d %q %q", code, text, from)
	}
	_, err := get(t, c.Client("stock"), "http://stock/other")
	if problem.CodeOf(err) != problem.DeadlineExceeded || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "did not end it in time") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	say(view, `{"settings":{"timeout":"1m","fallback":{"last_good":"1m"}}}`)
	time.AfterFunc(20*time.Millisecond, cancel)
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/x", nil)
	if res, err := c.Client("stock").Do(r); err == nil || !errors.Is(err, context.Canceled) {
		if err == nil {
			_ = res.Body.Close()
		}
		t.Errorf("given up by its caller: %v", err)
	}
	if n := settled(c, "a"); n != 0 {
		t.Errorf("%d attempts are left", n)
	}
}

// What is kept is bounded in bytes, for all routes of a service together where they say
// nothing else of it.
func TestLastGoodIsBoundedInBytes(t *testing.T) {
	body := strings.Repeat("x", 900<<10)
	in, _ := server(t, "a", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"fallback":{"last_good":"1m","megabytes":3}},"routes":{"/b/":{"settings":{"timeout":"9s","fallback":{"last_good":"1m","megabytes":3}}}}}`)
	for _, path := range []string{"/a/1", "/b/1", "/a/2", "/b/2", "/a/3"} {
		if _, err := get(t, c.Client("stock"), "http://stock"+path); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range c.Stats()[0].Routes {
		switch f := r.Fallback; {
		case r.Pattern != "" && f != nil:
			t.Errorf("what all share is told of %s too", r.Pattern)
		case r.Pattern == "" && (f == nil || f.Kept != 3 || f.Bytes > 3<<20 || f.Bytes < 3*900<<10):
			t.Errorf("%+v", f)
		}
	}
}

// A connection is used again after an answer that was kept, and after one that is passed on.
func TestLastGoodKeepsTheConnection(t *testing.T) {
	var opened atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "{}")
		if r.URL.Path == "/long" {
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "\n")
		}
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	c, view := newCaller(t, call.Config{}, instance("a", s.Listener.Addr().String()))
	say(view, `{"settings":{"fallback":{"last_good":"1m"}}}`)
	for _, path := range []string{"/short", "/long", "/short", "/long"} {
		res, err := c.Client("stock").Get("http://stock" + path)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.NewDecoder(res.Body).Decode(&struct{}{}); err != nil {
			t.Error(err)
		}
		_ = res.Body.Close()
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}
