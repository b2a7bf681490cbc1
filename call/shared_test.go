package call_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
)

// A service's bulkhead bounds all calls to it, by whatever route, unless a route says
// something else of it; what is in flight counts on when the settings change.
func TestRoutesShareTheServicesPolicies(t *testing.T) {
	in, _ := server(t, "a", nil)
	c, view := newCaller(t, call.Config{}, in)
	const own = `"settings":{"bulkhead":{"max":2}}`
	say(view, `{`+own+`,"routes":{
		"/x":{"settings":{"timeout":"9s","bulkhead":{"max":2}}},
		"/y":{"settings":{"timeout":"8s","bulkhead":{"max":2}}},
		"/own":{"settings":{"bulkhead":{"max":1}}}}}`)
	client := c.Client("stock")
	var open []*http.Response
	ask := func(path string) error {
		res, err := client.Get("http://stock" + path)
		if err == nil {
			open = append(open, res)
		}
		return err
	}
	for i, step := range []struct {
		path string
		full bool
	}{{"/x", false}, {"/y", false}, {"/", true}, {"/x", true}, {"/own", false}, {"/own", true}} {
		if err := ask(step.path); errors.Is(err, resilience.ErrFull) != step.full || err != nil && !step.full {
			t.Errorf("step %d, %s: %v, want full %v", i, step.path, err, step.full)
		}
	}
	stats := c.Stats()[0]
	for _, r := range stats.Routes {
		want := map[string]int{"": 2, "/own": 1}[r.Pattern]
		if (r.Bulkhead != nil) != (want > 0) || r.Bulkhead != nil && r.Bulkhead.InFlight != want {
			t.Errorf("route %q: %+v, want %d in flight", r.Pattern, r.Bulkhead, want)
		}
	}
	if said := stats.Unusual(time.Now()); len(said) != 2 {
		t.Errorf("each is said once: %q", said)
	}
	say(view, `{`+own+`}`)
	if err := ask("/x"); !errors.Is(err, resilience.ErrFull) {
		t.Errorf("the route has gone: %v", err)
	}
	for _, res := range open {
		_ = res.Body.Close()
	}
	if err := ask("/x"); err != nil {
		t.Errorf("all are done: %v", err)
	}
	_ = open[len(open)-1].Body.Close()
}

// A breaker is opened by calls that the service's own timeout ended, and by those that
// something else ended as the time was up; not by those that their caller gave up.
func TestWhatOpensABreaker(t *testing.T) {
	in, _ := server(t, "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	for name, test := range map[string]struct {
		timeout string
		cause   error
		want    resilience.BreakerState
	}{
		"the service's timeout": {`"timeout":"20ms",`, nil, resilience.Open},
		"a cause, the time":     {"", fmt.Errorf("silent: %w", context.DeadlineExceeded), resilience.Open},
		"a cause, another part": {"", errors.New("something else failed"), resilience.Closed},
		"the caller gave up":    {"", context.Canceled, resilience.Closed},
	} {
		c, view := newCaller(t, call.Config{}, in)
		say(view, `{"settings":{`+test.timeout+`"breaker":{"min_calls":3,"open":"1h"}}}`)
		for range 3 {
			ctx, cancel := context.WithCancelCause(t.Context())
			if test.cause != nil {
				time.AfterFunc(20*time.Millisecond, func() { cancel(test.cause) })
			}
			r, _ := http.NewRequestWithContext(ctx, "POST", "http://stock/", nil)
			if res, err := c.Client("stock").Do(r); err == nil {
				_ = res.Body.Close()
				t.Error("an answer")
			}
			cancel(nil)
		}
		if got := c.Stats()[0].Routes[0].Breaker.State; got != test.want {
			t.Errorf("%s: the breaker is %s, want %s", name, got, test.want)
		}
	}
}

// What a call waits for before it goes out does not make the service slow.
func TestWaitingIsNotSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, view := newCaller(t, call.Config{})
		say(view, `{"settings":{"breaker":{"min_calls":1,"slow_calls":"50%","slow_after":"1s"}}}`)
		time.AfterFunc(2*time.Second, func() { view.Set([]discovery.Instance{instance("a", "127.0.0.1:1")}) })
		err := c.Do(t.Context(), call.Op{Service: "stock", Name: "GET /", Endpoint: "http"}, func(_ context.Context, t *call.Ticket) error {
			time.Sleep(100 * time.Millisecond)
			t.Done()
			return nil
		})
		if b := c.Stats()[0].Routes[0].Breaker; err != nil || b.State != resilience.Closed || b.Calls != 1 || b.Slow != 0 {
			t.Errorf("%v; an instance was waited for: %+v", err, b)
		}
	})
}

// A panic gives back a place among the calls, and a probe of a breaker.
func TestPanicGivesThePlaceBack(t *testing.T) {
	in, _ := server(t, "a", nil)
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"retry":{"attempts":1},"bulkhead":{"max":1},"breaker":{"min_calls":1,"probes":1,"open":"10ms"}}}`)
	op := call.Op{Service: "stock", Name: "GET /x", Endpoint: "http"}
	fine := func(_ context.Context, t *call.Ticket) error { t.Done(); return nil }
	_ = c.Do(t.Context(), op, func(context.Context, *call.Ticket) error { return errors.New("down") })
	until(t, "the breaker may be tried", func() bool { return c.Stats()[0].Routes[0].Breaker.Left == 0 })
	func() {
		defer func() { _ = recover() }()
		_ = c.Do(t.Context(), op, func(context.Context, *call.Ticket) error { panic("boom") })
	}()
	if err := c.Do(t.Context(), op, fine); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	if err := c.Do(t.Context(), op, fine); err != nil || strings.Contains(fmt.Sprint(err), "full") {
		t.Errorf("after that: %v", err)
	}
}
