package call_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

func say(view *discovery.View, text string) { view.SetSettings(discovery.Settings(text)) }

// What a service says of its calls counts at once, also while calls are made, and what
// cannot be read changes nothing.
func TestRulesAreFollowed(t *testing.T) {
	var told atomic.Value
	in, _ := server(t, "a", func(w http.ResponseWriter, r *http.Request) { told.Store(r.Header.Get(call.DeadlineHeader)) })
	var log bytes.Buffer
	c, view := newCaller(t, call.Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, in)
	client := c.Client("stock")
	deadline := func(path string) int {
		t.Helper()
		if _, err := get(t, client, "http://stock"+path); err != nil {
			t.Fatal(err)
		}
		ms, _ := strconv.Atoi(told.Load().(string))
		return ms
	}
	if got := deadline("/"); got != 0 {
		t.Errorf("nobody set a timeout, and %d ms were told", got)
	}
	say(view, `{"settings":{"timeout":"2s"},"routes":{"GET /slow/{id}":{"settings":{"timeout":"9s"}}}}`)
	if got := deadline("/"); got <= 1000 || got > 2000 {
		t.Errorf("told %d ms, want 2 s", got)
	}
	if got := deadline("/slow/7"); got <= 8000 || got > 9000 {
		t.Errorf("the route was told %d ms, want 9 s", got)
	}
	say(view, `{"settings":{"timeout":"soon"}}`)
	for range 2 {
		if got := deadline("/"); got <= 1000 || got > 2000 {
			t.Errorf("told %d ms after settings that cannot be read", got)
		}
	}
	if n := strings.Count(log.String(), "cannot be used"); n != 1 {
		t.Errorf("said %d times: %s", n, log.String())
	}
	say(view, "")
	if got := deadline("/"); got != 0 {
		t.Errorf("the settings were taken back, and %d ms were told", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	say(view, `{"settings":{"timeout":"2s"}}`)
	r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/", nil)
	if res, err := client.Do(r); err != nil || res.Body.Close() != nil {
		t.Fatal(err)
	}
	if ms, _ := strconv.Atoi(told.Load().(string)); ms <= 500 || ms > 1000 {
		t.Errorf("the nearer deadline was told as %d ms", ms)
	}
}

func TestTimeoutOfARoute(t *testing.T) {
	in, _ := server(t, "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"routes":{"GET /slow":{"settings":{"timeout":"250ms"}}}}`)
	_, err := get(t, c.Client("stock"), "http://stock/slow")
	if !errors.Is(err, context.DeadlineExceeded) || problem.CodeOf(err) != problem.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	gin, h, _ := grpcServer(t, "g")
	h.check = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	g, view := newCaller(t, call.Config{}, gin)
	say(view, `{"routes":{"/grpc.health.v1.Health/Check":{"settings":{"timeout":"250ms"}}}}`)
	if err := check(t.Context(), g); problem.CodeOf(problem.FromGRPC(err)) != problem.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

func TestBreakerOfAService(t *testing.T) {
	var healthy atomic.Bool
	in, hits := server(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"breaker":{"min_calls":5,"open":"50ms","probes":1}}}`)
	client := c.Client("stock")
	for range 5 {
		if _, err := get(t, client, "http://stock/"); err != nil {
			t.Fatal(err) // a 500 is an answer
		}
	}
	_, err := get(t, client, "http://stock/")
	if !errors.Is(err, resilience.ErrOpen) || problem.CodeOf(err) != problem.Unavailable || !strings.Contains(err.Error(), `service "stock" is not called`) {
		t.Errorf("got %v", err)
	}
	if hits.Load() != 5 {
		t.Errorf("%d calls reached a service whose breaker is open", hits.Load())
	}
	healthy.Store(true)
	for deadline := time.Now().Add(10 * time.Second); ; {
		if _, err = get(t, client, "http://stock/"); err == nil {
			break
		}
		if !errors.Is(err, resilience.ErrOpen) || time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func TestBulkheadHoldsUntilTheAnswerIsRead(t *testing.T) {
	in, _ := server(t, "a", nil)
	c, view := newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"bulkhead":{"max":1}}}`)
	client := c.Client("stock")
	res, err := client.Get("http://stock/")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := get(t, client, "http://stock/"); !errors.Is(err, resilience.ErrFull) || !strings.Contains(err.Error(), "1 calls of this caller are in flight") {
		t.Errorf("got %v", err)
	}
	_ = res.Body.Close()
	if _, err := get(t, client, "http://stock/"); err != nil {
		t.Errorf("the place was not given back: %v", err)
	}
	in, _, _ = grpcServer(t, "g")
	c, view = newCaller(t, call.Config{}, in)
	say(view, `{"settings":{"bulkhead":{"max":1}}}`)
	for range 3 {
		if err := check(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
}

// A call that takes long is made a second time at another instance; the first answer
// counts, the other attempt ends, and nothing stays open.
func TestHedge(t *testing.T) {
	ended := make(chan struct{})
	slow, slowHits := server(t, "slow", func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-r.Context().Done()
		close(ended)
	})
	fast, _ := server(t, "fast", func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte("fast "), b...))
	})
	c, view := newCaller(t, call.Config{}, slow)
	say(view, `{"settings":{"hedge":{"after":"200ms"}}}`)
	var once sync.Once
	slowFirst := call.AfterPick(c, "stock", func() { once.Do(func() { view.Set([]discovery.Instance{slow, fast}) }) })
	r, _ := http.NewRequestWithContext(t.Context(), "PUT", "http://stock/", strings.NewReader("body"))
	res, err := slowFirst.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(res.Body)
	_ = res.Body.Close()
	if string(b) != "fast body" || err != nil || slowHits.Load() != 1 {
		t.Fatalf("got %q, %v; the slow one had %d", b, err, slowHits.Load()) // nobody would end
	}
	<-ended
	for _, id := range []string{"slow", "fast"} {
		if n := settled(c, id); n != 0 {
			t.Errorf("%d attempts are left at %s", n, id)
		}
	}
}

func TestHedgeOverGRPC(t *testing.T) {
	slow, h, _ := grpcServer(t, "slow")
	ended := make(chan struct{})
	h.check = func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() }
	fast, f, _ := grpcServer(t, "fast")
	c, view := newCaller(t, call.Config{}, slow)
	say(view, `{"settings":{"hedge":{"after":"300ms"}}}`)
	call.AfterPick(c, "stock", func() { view.Set([]discovery.Instance{slow, fast}) })
	if err := check(keyed(t.Context()), c); err != nil || f.hits.Load() != 1 || h.hits.Load() != 1 {
		t.Fatalf("%v; slow %d, fast %d", err, h.hits.Load(), f.hits.Load()) // nobody would end
	}
	<-ended
}

// settled waits until nothing is in flight at an instance, and gives up after a while.
func settled(c *call.Caller, id string) int64 {
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if c.InFlight(id) == 0 {
			return 0
		}
	}
	return c.InFlight(id)
}

func TestPriorityGoesAlong(t *testing.T) {
	var got atomic.Value
	in, _ := server(t, "a", func(_ http.ResponseWriter, r *http.Request) { got.Store(r.Header.Get(resilience.PriorityHeader)) })
	c, view := newCaller(t, call.Config{}, in)
	send := func(ctx context.Context) string {
		r, _ := http.NewRequestWithContext(ctx, "GET", "http://stock/", nil)
		r.Header.Set(resilience.PriorityHeader, "critical") // a client's own
		res, err := c.Client("stock").Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return got.Load().(string)
	}
	if p := send(t.Context()); p != "" {
		t.Errorf("a client's own priority went along: %q", p)
	}
	if p := send(resilience.WithPriority(t.Context(), resilience.Low)); p != "low" {
		t.Errorf("got %q, want low", p)
	}
	gin, h, _ := grpcServer(t, "g")
	h.check = func(ctx context.Context) error {
		md, _ := metadata.FromIncomingContext(ctx)
		got.Store(strings.Join(md.Get(resilience.PriorityHeader), ","))
		return nil
	}
	g, _ := newCaller(t, call.Config{}, gin)
	ctx := metadata.AppendToOutgoingContext(resilience.WithPriority(t.Context(), resilience.Critical), "muster-priority", "low")
	if err := check(ctx, g); err != nil || got.Load() != "critical" {
		t.Errorf("got %q, %v", got.Load(), err)
	}
	say(view, `{"priority":"high","routes":{"POST /v1/orders":{"priority":"critical","bulkhead":{"connections":2}}}}`)
	for name, want := range map[string]bool{"GET /": false, "POST /v1/orders": true} {
		if whole := c.Manner(&call.Op{Service: "stock", Name: name}).Whole; whole != want {
			t.Errorf("%s is for net/http: %v", name, whole)
		}
	}
	for name, want := range map[string]resilience.Priority{"GET /": resilience.High, "POST /v1/orders": resilience.Critical} {
		if p := c.Manner(&call.Op{Service: "stock", Name: name}).Priority; p != want {
			t.Errorf("%s: %s, want %s", name, p, want)
		}
	}
}

func TestHashKeepsCallsTogether(t *testing.T) {
	var list []discovery.Instance
	for _, id := range []string{"a", "b", "c"} {
		in, _ := server(t, id, nil)
		list = append(list, in)
	}
	c, view := newCaller(t, call.Config{}, list...)
	say(view, `{"balance":{"policy":"hash","by":"X-Cart"}}`)
	went := map[string]map[string]bool{}
	for i := range 60 {
		cart := strconv.Itoa(i % 10)
		r, _ := http.NewRequestWithContext(t.Context(), "GET", "http://stock/", nil)
		r.Header.Set("X-Cart", cart)
		res, err := c.Client("stock").Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if went[cart] == nil {
			went[cart] = map[string]bool{}
		}
		went[cart][string(b)] = true
	}
	used := map[string]bool{}
	for cart, at := range went {
		if len(at) != 1 {
			t.Errorf("cart %s went to %v", cart, at)
		}
		for id := range at {
			used[id] = true
		}
	}
	if len(used) < 2 {
		t.Errorf("all carts went to %v", used)
	}
}

func TestFallback(t *testing.T) {
	status := atomic.Int64{}
	status.Store(200)
	in, hits := server(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/private" {
			w.Header().Set("Cache-Control", "private, no-store")
		}
		w.Header().Set("Content-Type", "text/x")
		w.WriteHeader(int(status.Load()))
		_, _ = io.WriteString(w, "of "+r.Header.Get("Authorization")+" "+r.URL.Path)
	})
	c, view := newCaller(t, call.Config{Wait: -1}, in)
	say(view, `{"settings":{"fallback":{"last_good":"1m"}},"routes":{"/fixed":{"settings":{"fallback":{"value":"[]"}}}}}`)
	ask := func(method, path, who string) (int, string, http.Header) {
		t.Helper()
		r, _ := http.NewRequestWithContext(t.Context(), method, "http://stock"+path, nil)
		if who != "" {
			r.Header.Set("Authorization", who)
		}
		res, err := c.Client("stock").Do(r)
		if err != nil {
			return 0, err.Error(), nil
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b), res.Header
	}
	for _, who := range []string{"ann", ""} {
		if code, body, h := ask("GET", "/x", who); code != 200 || body != "of "+who+" /x" || h.Get(call.FallbackHeader) != "" {
			t.Errorf("%d %q %v", code, body, h)
		}
	}
	ask("GET", "/private", "")
	status.Store(503)
	if code, body, h := ask("GET", "/x", "ann"); code != 200 || body != "of ann /x" || h.Get(call.FallbackHeader) != "last good" || h.Get("Age") == "" || h.Get("Content-Type") != "text/x" {
		t.Errorf("%d %q %v", code, body, h)
	}
	for _, other := range []struct{ method, path, who string }{{"GET", "/x", "ben"}, {"GET", "/y", ""}, {"GET", "/private", ""}, {"POST", "/x", ""}} {
		if code, body, _ := ask(other.method, other.path, other.who); code != 503 {
			t.Errorf("%v: %d %q, want the service's own word", other, code, body)
		}
	}
	if code, body, h := ask("GET", "/fixed", ""); code != 200 || body != "[]" || h.Get("Content-Type") != "application/json" || h.Get(call.FallbackHeader) != "value" {
		t.Errorf("%d %q %v", code, body, h)
	}
	status.Store(404)
	if code, _, _ := ask("GET", "/x", "ann"); code != 404 {
		t.Errorf("got %d, want the service's 404: it is an answer", code)
	}
	view.Set(nil) // nobody is there
	before := hits.Load()
	if code, body, _ := ask("GET", "/x", "ann"); code != 200 || body != "of ann /x" || hits.Load() != before {
		t.Errorf("%d %q", code, body)
	}
}

type near struct{ fixed }

func (near) Near(string) []string { return []string{"cart", "card"} }

func TestUnknownServiceNamesTheNearOnes(t *testing.T) {
	c := call.New(call.Config{Resolver: near{fixed{discovery.NewView()}}, Wait: -1})
	defer c.Close()
	_, err := get(t, c.Client("cat"), "http://cat/")
	if !errors.Is(err, call.ErrNoInstance) || !strings.Contains(err.Error(), `no instance of service "cat" offers http: nobody has registered that name; did you mean "cart" or "card"?`) {
		t.Errorf("got %v", err)
	}
}
