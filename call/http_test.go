package call_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/balance"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// fixed resolves every service to one view.
type fixed struct{ view *discovery.View }

func (f fixed) View(string) *discovery.View { return f.view }

func instance(id, addr string) discovery.Instance {
	return discovery.Instance{
		ID: id, Service: "stock", State: discovery.Ready,
		Endpoints: map[string]string{discovery.HTTP: addr, discovery.GRPC: addr},
	}
}

func newCaller(t *testing.T, cfg call.Config, list ...discovery.Instance) (*call.Caller, *discovery.View) {
	t.Helper()
	view := discovery.NewView(list...)
	cfg.Resolver = fixed{view}
	c := call.New(cfg)
	t.Cleanup(c.Close)
	return c, view
}

// server counts its requests and answers with its name.
func server(t *testing.T, name string, handler http.HandlerFunc) (in discovery.Instance, hits *atomic.Int64) {
	t.Helper()
	hits = &atomic.Int64{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits.Add(1)
		if handler != nil {
			handler(w, r)
			return
		}
		_, _ = io.WriteString(w, name)
	}))
	t.Cleanup(s.Close)
	return instance(name, s.Listener.Addr().String()), hits
}

// dead is an address nobody listens on.
func dead(t *testing.T, id string) discovery.Instance {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return instance(id, l.Addr().String())
}

// cut ends the connection after the request was read, without an answer.
func cut(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return string(b), err
}

func TestCallsAreSpread(t *testing.T) {
	a, hitsA := server(t, "a", nil)
	b, hitsB := server(t, "b", nil)
	c, _ := newCaller(t, call.Config{Balance: balance.Config{Policy: balance.RoundRobin}}, a, b)
	for range 20 {
		if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil {
			t.Fatal(err)
		}
	}
	if hitsA.Load() != 10 || hitsB.Load() != 10 {
		t.Errorf("20 calls in turn went %d:%d, want 10:10", hitsA.Load(), hitsB.Load())
	}
}

// What a failed attempt allows: the request, how the first instance fails, and
// whether the call may succeed at the second.
func TestRepeatedWhereSafe(t *testing.T) {
	for name, test := range map[string]struct {
		method, key string
		refuse      bool // the first instance is not there at all
		want        bool
	}{
		"GET cut":             {"GET", "", false, true},
		"PUT cut":             {"PUT", "", false, true},
		"DELETE cut":          {"DELETE", "", false, true},
		"POST cut":            {"POST", "", false, false},
		"PATCH cut":           {"PATCH", "", false, false},
		"POST with a key cut": {"POST", "k1", false, true},
		"POST refused":        {"POST", "", true, true},
		"GET refused":         {"GET", "", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			broken, hits := server(t, "broken", cut)
			if test.refuse {
				broken = dead(t, "broken")
			}
			whole, served := server(t, "whole", func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(w, r.Body)
			})
			c, view := newCaller(t, call.Config{}, broken)
			// the second instance is known only after the first was chosen, so that
			// the order is certain
			client := &http.Client{Transport: call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{broken, whole}) })}
			req, err := http.NewRequestWithContext(t.Context(), test.method, "http://stock/x", strings.NewReader("the body"))
			if err != nil {
				t.Fatal(err)
			}
			if test.key != "" {
				req.Header.Set("Idempotency-Key", test.key)
			}
			res, err := client.Do(req)
			if (err == nil) != test.want {
				t.Fatalf("err = %v, want success %v", err, test.want)
			}
			if err != nil {
				if served.Load() != 0 || hits.Load() != 1 {
					t.Errorf("an unsafe request was sent %d times", served.Load()+hits.Load())
				}
				return
			}
			defer res.Body.Close()
			if b, _ := io.ReadAll(res.Body); string(b) != "the body" {
				t.Errorf("the repeated request carried %q", b)
			}
		})
	}
}

func TestAnswersAreNotRepeated(t *testing.T) {
	a, hits := server(t, "a", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	b, hitsB := server(t, "b", nil)
	c, _ := newCaller(t, call.Config{}, a, b)
	for range 2 {
		if _, err := get(t, c.Client("stock"), "http://stock/"); err != nil {
			t.Fatal(err)
		}
	}
	if hits.Load()+hitsB.Load() != 2 {
		t.Errorf("2 calls made %d attempts: an answer, even 503, is the peer's word", hits.Load()+hitsB.Load())
	}
}

// The call waits for an instance to appear, and is clear when none does.
func TestWaitsForAnInstance(t *testing.T) {
	a, _ := server(t, "a", nil)
	c, view := newCaller(t, call.Config{})
	got := make(chan error, 1)
	go func() {
		_, err := get(t, c.Client("stock"), "http://stock/")
		got <- err
	}()
	view.Set([]discovery.Instance{a})
	if err := <-got; err != nil {
		t.Fatal(err)
	}
}

func TestNoInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCaller(t, call.Config{})
		start := time.Now()
		_, err := get(t, c.Client("stock"), "http://stock/")
		if problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), `no instance of service "stock"`) {
			t.Errorf("err = %v", err)
		}
		if waited := time.Since(start); waited != 3*time.Second {
			t.Errorf("waited %s, want 3s", waited)
		}
	})
}

// The only instance is started anew at another place: the call follows it.
func TestFollowsTheOnlyInstance(t *testing.T) {
	gone := dead(t, "stock-1")
	back, _ := server(t, "stock-1", nil)
	c, view := newCaller(t, call.Config{}, gone)
	client := &http.Client{Transport: call.AfterPick(c, "stock", func() {
		// it is known only after all attempts there could have been used up
		time.AfterFunc(300*time.Millisecond, func() { view.Set([]discovery.Instance{back}) })
	})}
	res, err := client.Post("http://stock/", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
}

func TestTokenTroubleIsNotTheInstances(t *testing.T) {
	a, hits := server(t, "a", nil)
	broken := errors.New("the issuer is away")
	c, _ := newCaller(t, call.Config{Tokens: noTokens{broken}}, a)
	if _, err := c.Client("stock").Get("http://stock/"); !errors.Is(err, broken) || hits.Load() != 0 {
		t.Errorf("err = %v after %d requests", err, hits.Load())
	}
}

type noTokens struct{ err error }

func (n noTokens) Token(context.Context, string) (string, error) { return "", n.err }

func TestDrainingOnlyWhenNothingElse(t *testing.T) {
	a, hitsA := server(t, "a", nil)
	b, _ := server(t, "b", nil)
	a.State = discovery.Draining
	c, view := newCaller(t, call.Config{}, a, b)
	for range 5 {
		if got, err := get(t, c.Client("stock"), "http://stock/"); err != nil || got != "b" {
			t.Fatalf("got %q, %v; want b", got, err)
		}
	}
	if hitsA.Load() != 0 {
		t.Error("a draining instance was chosen beside a ready one")
	}
	view.Set([]discovery.Instance{a})
	if got, err := get(t, c.Client("stock"), "http://stock/"); err != nil || got != "a" {
		t.Fatalf("got %q, %v; a draining instance is better than none", got, err)
	}
}

// An instance counts as loaded until the answer's body is closed, also after it
// left the list.
func TestInFlight(t *testing.T) {
	release := make(chan struct{})
	a, _ := server(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_ = http.NewResponseController(w).Flush()
		<-release
	})
	c, view := newCaller(t, call.Config{}, a)
	res, err := c.Client("stock").Get("http://stock/")
	if err != nil {
		t.Fatal(err)
	}
	if n := c.InFlight("a"); n != 1 {
		t.Errorf("in flight while the body is open: %d, want 1", n)
	}
	b, _ := server(t, "b", nil)
	view.Set([]discovery.Instance{b})
	if got, err := get(t, c.Client("stock"), "http://stock/"); err != nil || got != "b" {
		t.Fatalf("got %q, %v", got, err)
	}
	if n := c.InFlight("a"); n != 1 {
		t.Errorf("in flight after leaving the list: %d, want 1", n)
	}
	close(release)
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if n := c.InFlight("a"); n != 0 {
		t.Errorf("in flight at the end: %d, want 0", n)
	}
}

func TestDeadlineTravels(t *testing.T) {
	left := make(chan time.Duration, 1)
	a, _ := server(t, "a", nil)
	s := httptest.NewServer(call.ReceiveDeadline(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		at, ok := r.Context().Deadline()
		if !ok {
			t.Error("the handler has no deadline")
		}
		left <- time.Until(at)
	})))
	defer s.Close()
	a.Endpoints = map[string]string{discovery.HTTP: s.Listener.Addr().String()}
	c, _ := newCaller(t, call.Config{}, a)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://stock/", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.Client("stock").Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if d := <-left; d <= 0 || d > 5*time.Second {
		t.Errorf("the handler had %s left, want at most 5s", d)
	}
}

func TestBadDeadlineIsRefused(t *testing.T) {
	h := call.ReceiveDeadline(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached the handler") }))
	for _, v := range []string{"soon", "0", "-1", "1.5", "99999999999999999999"} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set(call.DeadlineHeader, v)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), call.DeadlineHeader) {
			t.Errorf("%q: %d %s", v, w.Code, w.Body)
		}
	}
}

// A peer that never answers is given up after the timeout, with an error that can
// be branched on; a stream that began is not.
func TestHeaderTimeout(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	a, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			_, _ = io.WriteString(w, "begun")
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	})
	c, _ := newCaller(t, call.Config{Settings: resilience.Settings{Timeout: 250 * time.Millisecond}}, a)
	_, err := c.Client("stock").Get("http://stock/silent")
	if !errors.Is(err, context.DeadlineExceeded) || problem.CodeOf(err) != problem.DeadlineExceeded {
		t.Errorf("err = %v, want a deadline error", err)
	}
	res, err := c.Client("stock").Get("http://stock/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 5)
	if _, err := io.ReadFull(res.Body, buf); err != nil {
		t.Fatal(err)
	}
	more := make(chan error, 1)
	go func() { _, err := res.Body.Read(buf); more <- err }()
	select {
	case err := <-more:
		t.Errorf("the stream ended: %v", err)
	case <-time.After(750 * time.Millisecond): // three timeouts have passed
	}
}
