package external

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/problem"
)

// keeper answers as a test tells it.
type keeper struct {
	*httptest.Server

	answer atomic.Pointer[http.HandlerFunc]
	asked  atomic.Int64
}

func newKeeper(t testing.TB, answer http.HandlerFunc) *keeper {
	t.Helper()
	k := &keeper{}
	k.answer.Store(&answer)
	k.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k.asked.Add(1)
		(*k.answer.Load())(w, r)
	}))
	t.Cleanup(k.Close)
	return k
}

func newFilter(t testing.TB, k *keeper, cfg Config) *Filter {
	t.Helper()
	if k != nil {
		cfg.URL = k.URL + "/check"
	}
	f, err := New(filter.Env{Name: "asks", Log: slog.New(slog.DiscardHandler)}, cfg)
	if err != nil {
		t.Fatalf("%v %+v", err, problem.From(err).Details)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func request(fields ...string) *filter.Request {
	h := &filter.Header{}
	for i := 0; i+1 < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &filter.Request{
		ID: "r-1", Method: "POST", Host: "shop.example", Path: "/v1/a b", Query: "x=1", Client: netip.MustParseAddr("192.0.2.7"), Fields: h,
	}
}

func TestWhatIsAsked(t *testing.T) {
	var got http.Header
	k := newKeeper(t, func(_ http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.Path != "/check" || r.ContentLength != 0 {
			t.Errorf("%s %s, a body of %d", r.Method, r.URL, r.ContentLength)
		}
		got = r.Header
	})
	f := newFilter(t, k, Config{})
	err := f.Request(context.Background(), request("Authorization", "Bearer x", "Cookie", "a=b", "X-Other", "1", "Traceparent", "00-1-2-01", "X-Forwarded-Uri", "/evil"))
	if err != nil {
		t.Fatal(err)
	}
	got.Del("User-Agent")
	got.Del("Accept-Encoding")
	want := http.Header{
		"Authorization": {"Bearer x"}, "Cookie": {"a=b"}, "Traceparent": {"00-1-2-01"}, "X-Request-Id": {"r-1"}, "X-Forwarded-For": {"192.0.2.7"},
		"X-Forwarded-Method": {"POST"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"shop.example"}, "X-Forwarded-Uri": {"/v1/a%20b?x=1"},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("asked with\n%v, want\n%v", got, want)
	}
}

func TestAGoodAnswerTellsTheService(t *testing.T) {
	k := newKeeper(t, func(w http.ResponseWriter, _ *http.Request) {
		for name, v := range map[string]string{"X-User": "alice", "X-Scope": "a b \"", "X-Tenant": "acme", "X-Secret": "s"} {
			w.Header().Set(name, v)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	f := newFilter(t, k, Config{Take: []string{"X-Tenant"}, Subject: "X-User", Scopes: "X-Scope"})
	r := request()
	if err := f.Request(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	want := filter.Header{{Name: "X-Auth-Subject", Value: "alice"}, {Name: "X-Auth-By", Value: "external"}, {Name: "X-Auth-Scopes", Value: "a b"}, {Name: "X-Tenant", Value: "acme"}}
	if got := *r.Fields.(*filter.Header); !slices.Equal(got, want) || r.Subject.ID != "alice" {
		t.Errorf("told %v, want %v", got, want)
	}
	if owns := f.Owns(); !slices.Equal(owns, []string{"X-Tenant"}) {
		t.Errorf("owns %v", owns)
	}
}

func TestRefusalsAreTheClientsAnswer(t *testing.T) {
	for status, passed := range map[int]bool{
		401: true, 403: true, 429: true, 302: true, 303: true, 307: true, 301: false, 304: false, 400: false, 404: false, 500: false, 503: false, 100: false,
	} {
		k := newKeeper(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			w.Header().Set("Location", "https://login.example/")
			w.Header().Add("Set-Cookie", "a=b")
			w.Header().Add("Set-Cookie", "c=d")
			w.Header().Set("X-Internal", "secret")
			w.WriteHeader(status)
			if status >= 200 && status != 304 {
				_, _ = io.WriteString(w, "no")
			}
			if status == 100 {
				panic(http.ErrAbortHandler)
			}
		})
		err := newFilter(t, k, Config{}).Request(context.Background(), request())
		var a *filter.Answer
		if errors.As(err, &a) != passed {
			t.Errorf("%d: %v", status, err)
		}
		if !passed {
			if e := problem.From(err); e.Code != problem.Unavailable || e.RetryAfter == 0 {
				t.Errorf("%d: %v", status, err)
			}
			continue
		}
		if a.Status != status || string(a.Body) != "no" || a.Header.Get("Location") == "" || len(a.Header.Values("Set-Cookie")) != 2 ||
			a.Header.Get("X-Internal") != "" || a.Header.Get("Content-Type") != "text/html" || (status == 401) != (a.Header.Get("WWW-Authenticate") == "Bearer") {
			t.Errorf("%d: answered %+v", status, a)
		}
		k.Close()
	}
}

func TestItFailsClosed(t *testing.T) {
	slow := newKeeper(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	gone := newKeeper(t, nil)
	gone.Close()
	two := newKeeper(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("X-User", "alice")
		w.Header().Add("X-User", "root")
	})
	for name, k := range map[string]*keeper{"slow": slow, "gone": gone, "two subjects": two} {
		f := newFilter(t, k, Config{Timeout: filter.Duration(20 * time.Millisecond), Subject: "X-User"})
		r := request()
		if err := f.Request(context.Background(), r); problem.CodeOf(err) != problem.Unavailable || r.Subject.ID != "" {
			t.Errorf("%s: %v", name, err)
		}
		open := newFilter(t, k, Config{Timeout: filter.Duration(20 * time.Millisecond), Subject: "X-User", AllowWhenAway: true})
		if err := open.Request(context.Background(), r); err != nil || r.Subject.ID != "" {
			t.Errorf("%s, allowed: %v", name, err)
		}
	}
}

func TestNobodyIsAskedWhoIsAway(t *testing.T) {
	k := newKeeper(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) })
	f := newFilter(t, k, Config{})
	for range 100 {
		if err := f.Request(context.Background(), request()); problem.CodeOf(err) != problem.Unavailable {
			t.Fatal(err)
		}
	}
	if n := k.asked.Load(); n != 10 {
		t.Errorf("asked %d times, want 10 until the breaker opens", n)
	}
}

func TestQuestionsUnderWayAreBounded(t *testing.T) {
	let := make(chan struct{})
	k := newKeeper(t, func(http.ResponseWriter, *http.Request) { <-let })
	f := newFilter(t, k, Config{AtOnce: 3, AllowWhenAway: true, Timeout: filter.Duration(10 * time.Second)})
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if err := f.Request(context.Background(), request()); err != nil {
				t.Error(err)
			}
		})
	}
	for k.asked.Load() < 3 {
		time.Sleep(time.Millisecond)
	}
	if err := f.Request(context.Background(), request()); problem.CodeOf(err) != problem.Unavailable {
		t.Errorf("a fourth was let in by asking for much: %v", err)
	}
	close(let)
	all.Wait()
}

func TestTheClientGoesAway(t *testing.T) {
	k := newKeeper(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	f := newFilter(t, k, Config{AllowWhenAway: true, Timeout: filter.Duration(10 * time.Second)})
	if err := f.Request(ctx, request()); problem.CodeOf(err) != problem.Canceled {
		t.Error(err)
	}
}

// TestAService asks one of the fleet, by the client that the edge gives.
func TestAService(t *testing.T) {
	var at string
	env := filter.Env{Log: slog.New(slog.DiscardHandler), Service: func(name string) *http.Client {
		return &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
			at = name + " " + r.URL.String()
			return &http.Response{StatusCode: 200, Body: http.NoBody, Header: http.Header{}}, nil
		})}
	}}
	f, err := Make(context.Background(), env, json.RawMessage(`{"service":"gatekeeper","path":"/check"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Request(context.Background(), request()); err != nil || at != "gatekeeper http://gatekeeper/check" {
		t.Errorf("%v, asked %s", err, at)
	}
}

type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConfig(t *testing.T) {
	for with, field := range map[string]string{
		`{}`: "service", `{"service":"a","url":"http://b/"}`: "service", `{"url":"b"}`: "url", `{"url":"http://b/?x"}`: "url", `{"url":"http://b/","path":"/c"}`: "path",
		`{"service":"a","path":"c"}`: "path", `{"service":"a","take":["X-Auth-Subject"]}`: "take", `{"service":"a","take":["x_forwarded_for"]}`: "take",
		`{"service":"a","send":["a b"]}`: "send", `{"service":"a","reply":["Content-Length"]}`: "reply", `{"service":"a","scopes":"X"}`: "scopes",
		`{"service":"a","alike":["path"]}`: "alike", `{"service":"a","remember":"1s","alike":["paht"]}`: "alike", `{"service":"a","timeout":"1m"}`: "timeout",
		`{"service":"a","timeout":5}`: "timeout", `{"service":"a","remember":"2h"}`: "remember", `{"service":"a","at_once":-1}`: "at_once", `{"service":"a","x":1}`: "",
	} {
		_, err := Make(context.Background(), filter.Env{Check: true}, json.RawMessage(with))
		if e := problem.From(err); err == nil || e.Code != problem.InvalidArgument || len(e.Details) == 0 || e.Details[0].Field != field {
			t.Errorf("%s: %v %+v", with, err, e)
		}
	}
	if _, err := Make(context.Background(), filter.Env{Check: true}, json.RawMessage(`{"service":"a"}`)); err != nil {
		t.Errorf("a check: %v", err)
	}
	_, err := Make(context.Background(), filter.Env{Check: true, Callable: filter.Among([]string{"b"})}, json.RawMessage(`{"service":"a"}`))
	if e := problem.From(err); err == nil || len(e.Details) != 1 || e.Details[0].Field != "service" {
		t.Errorf("a service that is not there: %v", err)
	}
	if _, err := Make(context.Background(), filter.Env{}, json.RawMessage(`{"service":"a"}`)); problem.CodeOf(err) != problem.InvalidArgument {
		t.Errorf("an edge without services: %v", err)
	}
}

func Example() {
	gatekeeper := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("X-Forwarded-Uri"), "/admin") {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer gatekeeper.Close()
	f, err := New(filter.Env{Name: "gate"}, Config{URL: gatekeeper.URL})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer f.Close()
	for _, path := range []string{"/v1/orders", "/admin/users"} {
		fmt.Println(path, f.Request(context.Background(), &filter.Request{Method: "GET", Path: path, Fields: &filter.Header{}}))
	}
	// Output:
	// /v1/orders <nil>
	// /admin/users answered with 403 by a filter
}
