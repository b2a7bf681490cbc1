package admission

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// full returns a controller without room.
func full(t *testing.T) *Controller {
	t.Helper()
	c := door(t, Config{Initial: 4, Waiting: 1})
	for range 4 {
		if _, err := c.Admit(t.Context(), resilience.Normal); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func TestShedAnswer(t *testing.T) {
	h := full(t).Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "done") }))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/v1/orders", http.NoBody)
	h.ServeHTTP(w, r)
	res := w.Result()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") != "1" || res.Header.Get(resilience.ShedHeader) != "1" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	if body := w.Body.String(); !strings.Contains(body, `"code":"unavailable"`) || strings.Contains(body, "waited") {
		t.Errorf("%s", body)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	w = httptest.NewRecorder()
	h.ServeHTTP(w, r.WithContext(ctx))
	if w.Code != http.StatusGatewayTimeout || w.Header().Get(resilience.ShedHeader) != "" {
		t.Errorf("too late: %d %v", w.Code, w.Header())
	}

	for _, path := range []string{"/livez", "/readyz", "/startupz", "/.muster/quiesce"} {
		w = httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
		if w.Code != http.StatusOK {
			t.Errorf("%s was turned away: %d", path, w.Code)
		}
	}
}

func TestPriorityOfARequest(t *testing.T) {
	c := door(t, Config{})
	var got resilience.Priority
	h := c.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = resilience.PriorityOf(r.Context()) }))
	for header, want := range map[string]resilience.Priority{
		"": resilience.Normal, "critical": resilience.Critical, "low": resilience.Low, "nonsense": resilience.Normal,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
		r.Header.Set(resilience.PriorityHeader, header)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	h.ServeHTTP(httptest.NewRecorder(), r.WithContext(resilience.WithPriority(r.Context(), resilience.High)))
	if got != resilience.High || c.Stats().Admitted != [resilience.Priorities]uint64{1, 1, 2, 1} {
		t.Errorf("from the context: %s, %+v", got, c.Stats())
	}
}

// Whoever follows a stream, has a large answer read to it, took its connection over or
// waits for something to happen takes no room from others.
func TestWhatIsNoWorkHoldsNoSlot(t *testing.T) {
	c := door(t, Config{})
	during := make(chan int, 1)
	rest := make(chan struct{})
	note := func() {
		during <- c.Stats().InFlight
		<-rest
	}
	server := httptest.NewServer(c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.Stats().InFlight != 1 {
			t.Errorf("%s: %d in flight at its beginning", r.URL.Path, c.Stats().InFlight)
		}
		switch r.URL.Path {
		case "/events":
			if f, ok := w.(http.Flusher); ok {
				f.Flush()
			}
			note()
		case "/log":
			_ = http.NewResponseController(w).Flush()
			note()
		case "/large":
			_, _ = w.Write(make([]byte, largeAnswer))
			_, _ = w.Write(make([]byte, 1))
			note()
		case "/copied":
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader(strings.Repeat("x", 100)), 100))
			note()
		case "/upgrade":
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
			_ = rw.Flush()
			note()
		case "/poll":
			Release(r.Context())
			note()
		case "/work":
			_, _ = w.Write(make([]byte, 100))
			note()
		}
	})))
	defer server.Close()
	for path, want := range map[string]int{"/events": 0, "/log": 0, "/large": 0, "/copied": 0, "/upgrade": 0, "/poll": 0, "/work": 1} {
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			req, _ := http.NewRequest(http.MethodGet, server.URL+path, http.NoBody)
			if path == "/upgrade" {
				req.Header.Set("Connection", "Upgrade")
				req.Header.Set("Upgrade", "x")
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = bufio.NewReader(res.Body).WriteTo(io.Discard)
			res.Body.Close()
		}()
		if got := <-during; got != want {
			t.Errorf("%s: %d in flight while it goes on, want %d", path, got, want)
		}
		rest <- struct{}{}
		<-answered
	}
	server.Close()
	if got := c.Stats().InFlight; got != 0 {
		t.Errorf("%d are in flight at the end", got)
	}
}

func TestPanicsAndFailuresGiveTheSlotBack(t *testing.T) {
	c := door(t, Config{})
	h := c.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/panic" {
			panic(http.ErrAbortHandler)
		}
		problem.Write(w, r, problem.New(problem.NotFound, "no"))
	}))
	func() {
		defer func() { _ = recover() }()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/panic", http.NoBody))
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	if s := c.Stats(); s.InFlight != 0 || s.Admitted[resilience.Normal] != 2 {
		t.Errorf("%+v", s)
	}
}
