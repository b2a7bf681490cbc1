package registry

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/problem"
)

// exchange makes one request to a registry without a network.
func exchange(r http.Handler, method, target, body string) *http.Response {
	rec := httptest.NewRecorder()
	r.ServeHTTP(rec, httptest.NewRequest(method, target, strings.NewReader(body)))
	return rec.Result()
}

func read[T any](t *testing.T, res *http.Response) (v T) {
	t.Helper()
	if err := problem.FromResponse(res); err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(res.Body).Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

const c1 = `{"service":"cart","endpoints":{"http":"127.0.0.1:9000"}}`

func TestProtocol(t *testing.T) {
	r := New(Config{})
	reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c1", c1))
	if reg.Epoch == "" || reg.Index != 1 || reg.State != discovery.Ready || reg.TTL != 4000 {
		t.Errorf("registered: got %+v", reg)
	}
	full := `{"id":"c2","service":"cart","version":"v2","zone":"z","weight":50,"state":"starting",
		"endpoints":{"http":"localhost:1","grpc":"[::1]:65535"},"holder":"supervisor","meta":{"k":"v"}}`
	if reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c2", full)); reg.State != discovery.Starting {
		t.Errorf("registered: got %+v", reg)
	}
	if reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c1/state", `{"state":"draining"}`)); reg.State != discovery.Draining {
		t.Errorf("ordered: got %+v", reg)
	}
	if reg := read[discovery.Registration](t, exchange(r, "PUT", "/v1/instances/c1", c1)); reg.State != discovery.Draining || reg.Index != 3 {
		t.Errorf("a beat after the order: got %+v", reg)
	}
	if c := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", "")); show(c) != "cart: c1 draining, c2 starting" {
		t.Errorf("catalog: got %s", show(c))
	}
	w := read[discovery.Changes](t, exchange(r, "GET", "/v1/watch?service=cart&epoch="+reg.Epoch+"&index=2", ""))
	if got := showChanges(w, true); got != "+c1 known cart" {
		t.Errorf("watch: got %q", got)
	}
	for range 2 { // deregistering what is not there is no error
		if res := exchange(r, "DELETE", "/v1/instances/c1", ""); res.StatusCode != http.StatusNoContent {
			t.Errorf("delete: got %s", res.Status)
		}
	}
	if c := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services/cart", "")); show(c) != "cart: c2 starting" {
		t.Errorf("service: got %s", show(c))
	}
}

func TestAnswersHaveListsNotNull(t *testing.T) {
	r := New(Config{})
	exchange(r, "PUT", "/v1/instances/c1", `{"service":"worker"}`)
	for target, want := range map[string]string{
		"/v1/watch?service=mail":  `"changed":[],"removed":[],"known":[]`,
		"/v1/services/worker":     `"endpoints":{}`,
		"/v1/watch?service=other": `"reset":true`,
	} {
		body, err := io.ReadAll(exchange(r, "GET", target, "").Body)
		if err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %s, want %s in it", target, body, want)
		}
	}
}

func TestBadRequests(t *testing.T) {
	r := New(Config{})
	long := strings.Repeat("x", 64<<10)
	for _, tc := range []struct {
		name, method, target, body string
		code                       problem.Code
		field, says                string
	}{
		{"bad id", "PUT", "/v1/instances/a%20b", c1, problem.InvalidArgument, "id", "letters"},
		{"id with a slash", "PUT", "/v1/instances/a%2Fb", c1, problem.InvalidArgument, "id", "letters"},
		{"long id", "PUT", "/v1/instances/" + long[:200], c1, problem.InvalidArgument, "id", "128"},
		{"key in capitals", "PUT", "/v1/instances/a", `{"Service":"cart"}`, problem.InvalidArgument, "Service", "service?"},
		{"key twice", "PUT", "/v1/instances/a", `{"service":"cart","service":"mail"}`, problem.InvalidArgument, "service", "is given twice"},
		{"endpoint twice", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":"a:1","http":"b:1"}}`, problem.InvalidArgument, "endpoints.http", "is given twice"},
		{"two slashes", "PUT", "//v1/instances/a", c1, problem.NotFound, "", "/v1/instances/{id}"},
		{"dots in the path", "PUT", "/v1/../v1/instances/a", c1, problem.NotFound, "", "/v1/instances/{id}"},
		{"two ids", "PUT", "/v1/instances/a", `{"id":"b","service":"cart"}`, problem.InvalidArgument, "id", "path"},
		{"no service", "PUT", "/v1/instances/a", `{}`, problem.InvalidArgument, "service", "DNS label"},
		{"service not a label", "PUT", "/v1/instances/a", `{"service":"My_Cart"}`, problem.InvalidArgument, "service", "DNS label"},
		{"service too long", "PUT", "/v1/instances/a", `{"service":"` + long[:64] + `"}`, problem.InvalidArgument, "service", "63"},
		{"state", "PUT", "/v1/instances/a", `{"service":"cart","state":"up"}`, problem.InvalidArgument, "state", "ready"},
		{"weight", "PUT", "/v1/instances/a", `{"service":"cart","weight":-1}`, problem.InvalidArgument, "weight", "1000"},
		{"endpoint without port", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":"localhost"}}`, problem.InvalidArgument, "endpoints.http", "host:port"},
		{"endpoint a URL", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":"http://localhost:80"}}`, problem.InvalidArgument, "endpoints.http", "host:port"},
		{"endpoint without host", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":":80"}}`, problem.InvalidArgument, "endpoints.http", "host:port"},
		{"port zero", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":"a:0"}}`, problem.InvalidArgument, "endpoints.http", "65535"},
		{"port by name", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"http":"a:http"}}`, problem.InvalidArgument, "endpoints.http", "65535"},
		{"unspecified host", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"grpc":"0.0.0.0:80"}}`, problem.InvalidArgument, "endpoints.grpc", "listen"},
		{"endpoint name", "PUT", "/v1/instances/a", `{"service":"cart","endpoints":{"":"a:1"}}`, problem.InvalidArgument, "endpoints", "DNS label"},
		{"version too long", "PUT", "/v1/instances/a", `{"service":"cart","version":"` + long[:129] + `"}`, problem.InvalidArgument, "version", "128"},
		{"wrong type", "PUT", "/v1/instances/a", `{"service":"cart","weight":"10"}`, problem.InvalidArgument, "weight", "a whole number, not string"},
		{"unknown key", "PUT", "/v1/instances/a", `{"service":"cart","wieght":10}`, problem.InvalidArgument, "wieght", "weight?"},
		{"far key", "PUT", "/v1/instances/a", `{"service":"cart","xyzzy":10}`, problem.InvalidArgument, "xyzzy", "unknown key"},
		{"body too large", "PUT", "/v1/instances/a", `{"service":"` + long + `"}`, problem.TooLarge, "", "65536"},
		{"much after the object", "PUT", "/v1/instances/a", c1 + strings.Repeat(" ", 64<<10), problem.TooLarge, "", "65536"},
		{"empty body", "PUT", "/v1/instances/a", "", problem.InvalidArgument, "", "empty"},
		{"half a body", "PUT", "/v1/instances/a", c1[:20], problem.InvalidArgument, "", "unexpected EOF"},
		{"not JSON", "PUT", "/v1/instances/a", "service=cart", problem.InvalidArgument, "", "byte 1"},
		{"an array", "PUT", "/v1/instances/a", "[]", problem.InvalidArgument, "", "an object, not array"},
		{"two objects", "PUT", "/v1/instances/a", c1 + c1, problem.InvalidArgument, "", "follows"},
		{"delete a bad id", "DELETE", "/v1/instances/-", "", problem.InvalidArgument, "id", "letters"},
		{"order of a stranger", "PUT", "/v1/instances/nobody/state", `{"state":"draining"}`, problem.NotFound, "", "nobody"},
		{"order of another state", "PUT", "/v1/instances/c1/state", `{"state":"ready"}`, problem.InvalidArgument, "state", "draining"},
		{"service name", "GET", "/v1/services/UP", "", problem.InvalidArgument, "service", "DNS label"},
		{"service never seen", "GET", "/v1/services/mail", "", problem.NotFound, "", "mail"},
		{"wait too long", "GET", "/v1/watch?wait=61s", "", problem.InvalidArgument, "wait", "1m0s"},
		{"wait before now", "GET", "/v1/watch?wait=-1s", "", problem.InvalidArgument, "wait", "0s"},
		{"wait without unit", "GET", "/v1/watch?wait=20", "", problem.InvalidArgument, "wait", "20s"},
		{"index", "GET", "/v1/watch?index=-1", "", problem.InvalidArgument, "index", "whole number"},
		{"watch of no name", "GET", "/v1/watch?service=", "", problem.InvalidArgument, "service", "DNS label"},
		{"parameter", "GET", "/v1/watch?services=a", "", problem.InvalidArgument, "services", "service?"},
		{"parameter twice", "GET", "/v1/watch?wait=1s&wait=2s", "", problem.InvalidArgument, "wait", "once"},
		{"path", "GET", "/v1/instance", "", problem.NotFound, "", "/v1/instances/{id}"},
		{"method", "POST", "/v1/instances/c1", c1, problem.Unimplemented, "", "DELETE or PUT"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			res := exchange(r, tc.method, tc.target, tc.body)
			err := problem.FromResponse(res)
			var p *problem.Error
			if code := problem.CodeOf(err); code != tc.code {
				t.Fatalf("got %v, want %s", err, tc.code)
			}
			if p = problem.From(err); res.Header.Get("Content-Type") != problem.ContentType {
				t.Errorf("content type %q", res.Header.Get("Content-Type"))
			}
			field := ""
			if len(p.Details) > 0 {
				field = p.Details[0].Field
			}
			if field != tc.field || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got field %q in %v, want field %q and %q", field, err, tc.field, tc.says)
			}
		})
	}
	if c := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", "")); c.Index != 0 {
		t.Errorf("a bad request changed the registry: %+v", c)
	}
	res := exchange(r, "POST", "/v1/instances/c1", c1)
	if res.StatusCode != http.StatusMethodNotAllowed || res.Header.Get("Allow") != "DELETE, PUT" {
		t.Errorf("got %s, Allow %q", res.Status, res.Header.Get("Allow"))
	}
}

// A page from anywhere cannot make the browser of one who develops here its helper.
func TestBrowsersAreRefused(t *testing.T) {
	r := New(Config{})
	for _, origin := range []string{"http://evil.example", "http://127.0.0.1:8081", "null", ""} {
		req := httptest.NewRequest(http.MethodPut, "/v1/instances/c1", strings.NewReader(c1))
		req.Header.Set("Origin", origin)
		rec := httptest.NewRecorder()
		r.ServeHTTP(rec, req)
		if err := problem.FromResponse(rec.Result()); rec.Code != http.StatusForbidden || problem.CodeOf(err) != problem.PermissionDenied {
			t.Errorf("%q: %d, %v", origin, rec.Code, err)
		}
	}
	if c := read[discovery.Catalog](t, exchange(r, "GET", "/v1/services", "")); c.Index != 0 {
		t.Errorf("a browser changed the registry: %+v", c)
	}
}

func TestFullRegistry(t *testing.T) {
	r := New(Config{Limits: Limits{Instances: 1}})
	exchange(r, "PUT", "/v1/instances/c1", c1)
	res := exchange(r, "PUT", "/v1/instances/c2", c1)
	if res.StatusCode != http.StatusTooManyRequests || res.Header.Get("Retry-After") != "4" {
		t.Errorf("got %s, Retry-After %q", res.Status, res.Header.Get("Retry-After"))
	}
}

// FuzzPut: whatever the body, the answer is a registration or a problem, and what was
// taken is valid.
func FuzzPut(f *testing.F) {
	for _, seed := range []string{c1, "", "{}", "[]", `{"service":"cart","endpoints":{"http":"[::]:1"}}`, `{"ID":"x"}`, `null`, `{"meta":{"a":"b"}} x`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		r := New(Config{})
		res := exchange(r, "PUT", "/v1/instances/c1", body)
		if res.StatusCode != http.StatusOK {
			if problem.CodeOf(problem.FromResponse(res)) == problem.Internal {
				t.Errorf("%s for %q", res.Status, body)
			}
			return
		}
		for _, m := range r.store.Members() {
			if err := m.Instance.Validate(); err != nil {
				t.Error(err)
			}
		}
		if err := NewStore("e", time.Second, Limits{}, start).Restore(r.store.Members(), start); err != nil {
			t.Error(err)
		}
	})
}
