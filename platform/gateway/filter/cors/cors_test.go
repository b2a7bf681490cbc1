package cors_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/gateway/filter"
	"github.com/musterdev/muster/platform/gateway/filter/cors"
	"github.com/musterdev/muster/problem"
)

func build(t testing.TB, with string) filter.Answerer {
	t.Helper()
	f, err := cors.Make(t.Context(), filter.Env{}, json.RawMessage(with))
	if err != nil {
		t.Fatal(err)
	}
	return f.(filter.Answerer)
}

func request(method string, fields ...string) *filter.Request {
	h := filter.Header{}
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return &filter.Request{Method: method, Fields: &h}
}

func preflight(origin, method string, fields ...string) *filter.Request {
	return request("OPTIONS", append([]string{"Origin", origin, "Access-Control-Request-Method", method}, fields...)...)
}

const app = `{"origins":["https://app.example","https://*.shop.example:8443"],"headers":["X-A","content-type"],"expose":["X-Total"],"credentials":true,"max_age":"1m"}`

func TestPreflight(t *testing.T) {
	const headers = "Access-Control-Request-Headers"
	for name, c := range map[string]struct {
		with string
		r    *filter.Request
		want map[string]string // of the answer; nil: refused
	}{
		"one that may": {app, preflight("https://app.example", "PUT", headers, "x-a, Content-Type"), map[string]string{
			"Access-Control-Allow-Origin": "https://app.example", "Access-Control-Allow-Credentials": "true", "Access-Control-Max-Age": "60",
			"Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE", "Access-Control-Allow-Headers": "X-A, content-type",
		}},
		"below a name":               {app, preflight("https://a.b.shop.example:8443", "GET"), map[string]string{"Access-Control-Allow-Origin": "https://a.b.shop.example:8443"}},
		"null, as it is told":        {`{"origins":["null"]}`, preflight("null", "GET"), map[string]string{"Access-Control-Allow-Origin": "null"}},
		"another origin":             {app, preflight("https://evil.example", "GET"), nil},
		"another scheme":             {app, preflight("http://app.example", "GET"), nil},
		"another port":               {app, preflight("https://app.example:444", "GET"), nil},
		"a longer name":              {app, preflight("https://app.example.evil.example", "GET"), nil},
		"the name itself":            {app, preflight("https://shop.example:8443", "GET"), nil},
		"not a name":                 {app, preflight("https://evil.example/.shop.example:8443", "GET"), nil},
		"somebody's before":          {app, preflight("https://x@y.shop.example:8443", "GET"), nil},
		"a dot too many":             {app, preflight("https://.shop.example:8443", "GET"), nil},
		"a dot before":               {app, preflight("https://.a.shop.example:8443", "GET"), nil},
		"large letters":              {app, preflight("https://APP.example", "GET"), nil},
		"two origins":                {app, preflight("https://app.example", "GET", "Origin", "https://app.example"), nil},
		"another method":             {app, preflight("https://app.example", "TRACE"), nil},
		"another field":              {app, preflight("https://app.example", "PUT", headers, "x-b"), nil},
		"a field in the second line": {app, preflight("https://app.example", "PUT", headers, "x-a", headers, "x-b"), nil},
		"no field":                   {`{"origins":["*"],"headers":["*"]}`, preflight("https://app.example", "PUT", headers, "x b"), nil},
		"all, any field": {`{"origins":["*"],"headers":["*"]}`, preflight("https://x.example", "PUT", headers, "x-b,x-c"), map[string]string{
			"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "x-b,x-c", "Access-Control-Allow-Credentials": "", "Access-Control-Max-Age": "600",
		}},
		"a private network": {`{"origins":["*"],"private_network":true}`, preflight("https://x.example", "GET", "Access-Control-Request-Private-Network", "true"), map[string]string{
			"Access-Control-Allow-Private-Network": "true",
		}},
	} {
		err := build(t, c.with).Request(t.Context(), c.r)
		answer, ok := errors.AsType[*filter.Answer](err)
		if c.want == nil {
			if ok || problem.CodeOf(err) != problem.PermissionDenied {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !ok || answer.Status != 204 || !strings.Contains(c.r.Reply.Get("Vary"), "Origin") {
			t.Errorf("%s: %v, %v", name, err, c.r.Reply)
			continue
		}
		for field, want := range c.want {
			if got := answer.Header.Get(field); got != want {
				t.Errorf("%s: %s is %q, want %q", name, field, got, want)
			}
		}
	}
	for name, r := range map[string]*filter.Request{
		"a page of the same origin": request("OPTIONS"),
		"no preflight":              request("OPTIONS", "Origin", "https://evil.example"),
		"the request itself":        request("PUT", "Origin", "https://evil.example", "Access-Control-Request-Method", "PUT"),
	} {
		if err := build(t, app).Request(t.Context(), r); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		with, origin, vary string
		want               [4]string // allow, credentials, expose, vary
	}{
		"may read":               {app, "https://app.example", "", [4]string{"https://app.example", "true", "X-Total", "Origin"}},
		"may not":                {app, "https://evil.example", "", [4]string{"", "", "", "Origin"}},
		"the same origin":        {app, "", "", [4]string{"", "", "", "Origin"}},
		"it varies already":      {app, "https://app.example", "Accept, origin", [4]string{"https://app.example", "true", "X-Total", "Accept, origin"}},
		"all may, and all alike": {`{"origins":["*"]}`, "https://x.example", "", [4]string{"*", "", "", ""}},
		"all, and some by name":  {`{"origins":["*","https://app.example"]}`, "https://app.example", "Accept", [4]string{"*", "", "", "Accept"}},
	} {
		h := filter.Header{{Name: "access-control-allow-origin", Value: "*"}, {Name: "Access-Control-Allow-Credentials", Value: "true"}}
		if c.vary != "" {
			h.Add("Vary", c.vary)
		}
		r := request("GET")
		if c.origin != "" {
			r = request("GET", "Origin", c.origin)
		}
		build(t, c.with).Answer(r, 200, &h)
		got := [4]string{
			strings.Join(h.Values("Access-Control-Allow-Origin"), "|"), h.Get("Access-Control-Allow-Credentials"),
			h.Get("Access-Control-Expose-Headers"), strings.Join(h.Values("Vary"), "|"),
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for with, want := range map[string]string{
		`{}`: "origins", `{"origins":["*"],"credentials":true}`: "credentials", `{"origins":["null"],"credentials":true}`: "credentials", `{"origins":["app.example"]}`: "origins[0]",
		`{"origins":["https://app.example/"]}`: "origins[0]", `{"origins":["https://App.example"]}`: "origins[0]", `{"origins":["https://app.example:443"]}`: "origins[0]",
		`{"origins":["https://*"]}`: "origins[0]", `{"origins":["https://a*.example"]}`: "origins[0]", `{"origins":["*"],"methods":["*"]}`: "methods[0]",
		`{"origins":["https://*.*.example"]}`: "origins[0]", `{"origins":["*"],"headers":["X A"]}`: "headers[0]", `{"origins":["*"],"expose":[""]}`: "expose[0]",
	} {
		_, err := cors.Make(t.Context(), filter.Env{}, json.RawMessage(with))
		p, ok := errors.AsType[*problem.Error](err)
		if !ok || p.Code != problem.InvalidArgument || len(p.Details) == 0 || p.Details[0].Field != want {
			t.Errorf("%s: %+v, want a mistake in %s", with, err, want)
		}
	}
}

// Whatever a page says it is, only who is told to may read, and is told only itself.
func FuzzOrigin(f *testing.F) {
	for _, o := range []string{"https://app.example", "https://a.shop.example:8443", "null", "https://shop.example:8443", "https://.shop.example:8443"} {
		f.Add(o)
	}
	filterOf := build(f, app)
	f.Fuzz(func(t *testing.T, origin string) {
		h := filter.Header{}
		filterOf.Answer(request("GET", "Origin", origin), 200, &h)
		switch allowed := h.Get("Access-Control-Allow-Origin"); {
		case allowed == "":
		case allowed != origin:
			t.Errorf("%q is told %q", origin, allowed)
		case origin == "https://app.example":
		case !strings.HasPrefix(origin, "https://") || !strings.HasSuffix(origin, ".shop.example:8443") || strings.ContainsAny(origin[8:], "/@\\ "):
			t.Errorf("%q may read", origin)
		}
	})
}
