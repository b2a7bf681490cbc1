package call_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// Where the time is up before anybody could be asked, the error says so: nothing was sent.
func TestNobodyWasAsked(t *testing.T) {
	gone := dead(t, "gone")
	httpOnly := discovery.Instance{ID: "a", Service: "stock", State: discovery.Ready, Endpoints: map[string]string{discovery.HTTP: "127.0.0.1:1"}}
	short := func(t *testing.T) context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	for name, test := range map[string]struct {
		list    []discovery.Instance
		timeout string // of the service; "": the caller's deadline
		code    problem.Code
		none    bool // ErrNoInstance
		text    string
		onlyRPC bool
	}{
		"none, the service's timeout":    {nil, "300ms", problem.Unavailable, true, "within 300ms; nothing was sent", false},
		"none, the caller's deadline":    {nil, "", problem.DeadlineExceeded, true, "in the time its caller gave; nothing was sent", false},
		"refused, the service's timeout": {[]discovery.Instance{gone}, "300ms", problem.Unavailable, false, "no connection for", false},
		"refused, the caller's deadline": {[]discovery.Instance{gone}, "", problem.DeadlineExceeded, false, "nothing was sent", false},
		"no such endpoint":               {[]discovery.Instance{httpOnly}, "300ms", problem.Unavailable, true, "its instances offer http", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, view := newCaller(t, call.Config{}, test.list...)
			ctx := t.Context
			if test.timeout == "" {
				ctx = func() context.Context { return short(t) }
			} else {
				say(view, `{"settings":{"timeout":"`+test.timeout+`"}}`)
			}
			if err := check(ctx(), c); problem.CodeOf(problem.FromGRPC(err)) != test.code || !strings.Contains(err.Error(), test.text) {
				t.Errorf("gRPC: %v", err)
			}
			if test.onlyRPC {
				return
			}
			r, _ := http.NewRequestWithContext(ctx(), "POST", "http://stock/", nil)
			res, err := c.Client("stock").Do(r)
			if err == nil {
				_ = res.Body.Close()
			}
			if problem.CodeOf(err) != test.code || !strings.Contains(err.Error(), test.text) || errors.Is(err, call.ErrNoInstance) != test.none {
				t.Errorf("HTTP: %v", err)
			}
			if failed, ok := errors.AsType[*call.Failed](err); !ok || failed.Sent || errors.Is(err, context.Canceled) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("HTTP: %+v", failed)
			}
			if len(test.list) > 0 && !strings.Contains(err.Error(), "connection refused") {
				t.Errorf("what it failed by is not said: %v", err)
			}
		})
	}
}

// What ends a gRPC call while it waits has the status of that; and a call whose caller has
// gone is not made, whatever the breaker says.
func TestStatusOfAWaitingCall(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	past, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	in, h, _ := grpcServer(t, "a")
	h.check = func(context.Context) error { return status.Error(codes.Internal, "broken") }
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"breaker":{"min_calls":1}}}`)
	if err := check(t.Context(), c); status.Code(err) != codes.Internal {
		t.Fatal(err)
	}
	if err := check(t.Context(), c); status.Code(err) != codes.Unavailable {
		t.Fatalf("the breaker is not open: %v", err)
	}
	for ctx, want := range map[context.Context]codes.Code{ended: codes.Canceled, past: codes.DeadlineExceeded} {
		if err := check(ctx, c); status.Code(err) != want {
			t.Errorf("%v, want %s", err, want)
		}
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/", nil)
		if res, err := c.Client("stock").Do(r); err == nil || !errors.Is(err, ctx.Err()) || errors.Is(err, resilience.ErrOpen) {
			if err == nil {
				_ = res.Body.Close()
			}
			t.Errorf("%v, want %v", err, ctx.Err())
		}
	}
	synctest.Test(t, func(t *testing.T) {
		c, _ := newCaller(t, call.Config{})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if err := check(ctx, c); status.Code(err) != codes.Canceled {
			t.Errorf("given up while it waits: %v", err)
		}
	})
}

// A place that does not become free in time is said as such.
func TestNoPlaceInTime(t *testing.T) {
	in, hits := server(t, "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"timeout":"50ms","bulkhead":{"max":1,"queue":5}},"routes":{"/long":{"settings":{"timeout":"1m","bulkhead":{"max":1,"queue":5}}}}}`)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/long", nil)
		if res, err := c.Client("stock").Do(r); err == nil {
			_ = res.Body.Close()
		}
	}()
	until(t, "the first call is there", func() bool { return hits.Load() == 1 })
	_, err := get(t, c.Client("stock"), "http://stock/")
	if !errors.Is(err, resilience.ErrFull) || problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), "within 50ms; nothing was sent") {
		t.Errorf("got %v", err)
	}
	cancel()
	<-ended
}

// Where one attempt has sent something, no other says that nothing was sent.
func TestSomebodyWasAsked(t *testing.T) {
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	a, _ := server(t, "a", silent)
	b, _ := server(t, "b", silent)
	broken, _ := server(t, "broken", cut)
	for name, test := range map[string]struct {
		settings string
		list     []discovery.Instance
	}{
		"a hedge, both too slow":       {`{"timeout":"300ms","hedge":{"after":"5ms"}}`, []discovery.Instance{a, b}},
		"a hedge to where nobody is":   {`{"timeout":"300ms","hedge":{"after":"5ms"}}`, []discovery.Instance{a, dead(t, "gone")}},
		"cut off, then nobody is left": {`{"retry":{"attempts":4,"backoff":"1ms"},"budget":{"floor":100}}`, []discovery.Instance{broken, dead(t, "gone")}},
		"cut off, then the breaker":    {`{"breaker":{"min_calls":1}}`, []discovery.Instance{broken}},
	} {
		for range 2 { // they take turns
			c, view := newCaller(t, call.Config{Wait: -1}, test.list...)
			say(view, test.settings)
			res, err := c.Client("stock").Get("http://stock/")
			if err == nil {
				_ = res.Body.Close()
			}
			if failed, ok := errors.AsType[*call.Failed](err); !ok || !failed.Sent || strings.Contains(err.Error(), "nothing was sent") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
