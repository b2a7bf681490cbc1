package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// mirrorOf answers with what an instance was asked, and who it is.
func mirrorOf(id string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "%s %s %s %s %s %d", id, r.Method, r.RequestURI, r.Host, r.Header.Get("X-Forwarded-Prefix"), len(body))
	}
}

// versions are two instances of service "a", of versions v1 and v2.
func versions(t *testing.T) *registry {
	t.Helper()
	reg := &registry{}
	one, _ := instance(t, "a-1", mirrorOf("one"))
	two, _ := instance(t, "a-2", mirrorOf("two"))
	one.Version, two.Version = "v1", "v2"
	reg.View("a").Set([]discovery.Instance{one, two})
	return reg
}

// table parses a document.
func table(t *testing.T, text string) *snapshot.Document {
	t.Helper()
	doc, err := snapshot.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &doc
}

// both runs a test by HTTP/1.1 and by HTTP/2, which engines of their own may read.
func both(t *testing.T, test func(t *testing.T, ask func(method, url string, body io.Reader, header ...string) (*http.Response, string))) {
	for _, h2 := range []bool{false, true} {
		t.Run(fmt.Sprintf("HTTP/%d", map[bool]int{false: 1, true: 2}[h2]), func(t *testing.T) {
			tr := &http.Transport{Protocols: &http.Protocols{}}
			tr.Protocols.SetHTTP1(!h2)
			tr.Protocols.SetUnencryptedHTTP2(h2)
			t.Cleanup(tr.CloseIdleConnections)
			c := &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			test(t, func(method, url string, body io.Reader, header ...string) (*http.Response, string) {
				t.Helper()
				r, err := http.NewRequestWithContext(t.Context(), method, url, body)
				if err != nil {
					t.Fatal(err)
				}
				for i := 0; i < len(header); i += 2 {
					if header[i] == "Host" {
						r.Host = header[i+1]
						continue
					}
					r.Header.Add(header[i], header[i+1])
				}
				res, err := c.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				text, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal(err)
				}
				return res, string(text)
			})
		})
	}
}

// Requests go by method, header and query, under another path, or elsewhere.
func TestRouting(t *testing.T) {
	e := run(t, gateway.Config{Resolver: versions(t), Table: table(t, `{"routes":[
		{"path":"/m","service":"a","methods":["POST"],"versions":[{"version":"v1","weight":1}]},
		{"path":"/m","service":"a","methods":["GET"],"headers":[{"name":"X-Beta","value":"1"}],"versions":[{"version":"v2","weight":1}]},
		{"path":"/q","service":"a","query":[{"name":"v","value":"2"}],"versions":[{"version":"v2","weight":1}]},
		{"path":"/api/v1","service":"a","rewrite":{"prefix":"/","host":"inner.example"},"versions":[{"version":"v1","weight":1}]},
		{"path":"/old","redirect":{"prefix":"/new","status":301}},
		{"path":"/tls","service":"a","redirect":{"scheme":"https","port":8443}},
		{"path":"/small","service":"a","max_body":4,"versions":[{"version":"v1","weight":1}]},
		{"path":"/dep","service":"a","deprecated":{"since":"2020-01-01","sunset":"2999-01-01","link":"/docs"},"versions":[{"version":"v1","weight":1}]},
		{"path":"/gone","service":"a","deprecated":{"since":"2020-01-01","sunset":"2021-01-01","gone":true}}]}`)})
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		for _, test := range []struct {
			method, path, body string
			header             []string
			status             int
			says               string
			fields             map[string]string
		}{
			{"POST", "/m/x", "abc", nil, 200, "one POST /m/x shop.example  3", nil},
			{"GET", "/m", "", []string{"X-Beta", "1"}, 200, "two GET /m shop.example  0", nil},
			{"GET", "/m", "", nil, 405, `"unimplemented"`, map[string]string{"Allow": "POST"}},
			{"GET", "/q?v=2", "", nil, 200, "two GET /q?v=2 shop.example  0", nil},
			{"GET", "/q?v=1", "", nil, 404, `"not_found"`, nil},
			{"GET", "/api/v1/a%20b?c=%2F", "", nil, 200, "one GET /a%20b?c=%2F inner.example /api/v1 0", nil},
			{"GET", "/%61pi/v1", "", nil, 200, "one GET / inner.example /api/v1 0", nil},
			{"GET", "/api/v1/.muster/sagas", "", nil, 404, `"not_found"`, nil},
			{"GET", "/old/x?y=1", "", nil, 301, "", map[string]string{"Location": "/new/x?y=1"}},
			{"GET", "/tls/x", "", nil, 308, "", map[string]string{"Location": "https://shop.example:8443/tls/x"}},
			{"PUT", "/small", "1234", nil, 200, "one PUT /small shop.example  4", nil},
			{"PUT", "/small", "12345", nil, 413, "larger than the 4 bytes", nil},
			{"GET", "/dep", "", nil, 200, "one", map[string]string{"Deprecation": "@1577836800", "Sunset": "Tue, 01 Jan 2999 00:00:00 GMT", "Link": `</docs>; rel="deprecation"`}},
			{"GET", "/gone", "", nil, 410, "no more since 2021-01-01", map[string]string{"Deprecation": "@1577836800"}},
		} {
			var body io.Reader
			if test.body != "" {
				body = strings.NewReader(test.body)
			}
			res, text := ask(test.method, e.url+test.path, body, append(test.header, "Host", "shop.example")...)
			if res.StatusCode != test.status || !strings.Contains(text, test.says) {
				t.Errorf("%s %s: %d %s; want %d %s", test.method, test.path, res.StatusCode, text, test.status, test.says)
			}
			for name, want := range test.fields {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s %s: %s is %q, want %q", test.method, test.path, name, got, want)
				}
			}
			if res.Header.Get("X-Request-Id") == "" {
				t.Errorf("%s %s: the answer has no id", test.method, test.path)
			}
		}
		// of a body whose length nobody knows as much is read as may be
		res, text := ask("PUT", e.url+"/small", struct{ io.Reader }{strings.NewReader(strings.Repeat("x", 100_000))})
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("a long body is answered %d %s", res.StatusCode, text)
		}
	})
	st, err := e.admin.Status(t.Context())
	if err != nil || st.Deprecated["/dep"][0].Requests != 2 || st.Deprecated["/gone"][0].Requests != 2 {
		t.Errorf("status tells %+v, %v", st.Deprecated, err)
	}
}

// One client stays at one instance, and so at one version, however the weights are.
func TestSticky(t *testing.T) {
	e := run(t, gateway.Config{Resolver: versions(t), Table: table(t, `{"routes":[
		{"path":"/c","service":"a","sticky":{"cookie":"shop","max_age":60},"versions":[{"version":"v1","weight":1},{"version":"v2","weight":1}]},
		{"path":"/h","service":"a","sticky":{"header":"X-User"}},
		{"path":"/p","service":"a","sticky":{"client":true},"versions":[{"version":"v1","weight":1},{"version":"v2","weight":1}]}]}`)})
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		who := func(text string) string { return text[:3] }
		seen := map[string]bool{}
		for range 30 {
			res, text := ask("GET", e.url+"/c", nil)
			seen[who(text)] = true
			if len(res.Cookies()) != 1 {
				t.Fatalf("set %v", res.Header["Set-Cookie"])
			}
			c := res.Cookies()[0]
			if c.Name != "shop" || c.MaxAge != 60 || !c.HttpOnly || strings.Contains(c.Value, "a-") {
				t.Errorf("the cookie is %v", c)
			}
			for range 5 {
				res, again := ask("GET", e.url+"/c", nil, "Cookie", "other=1; shop="+c.Value)
				if who(again) != who(text) || len(res.Cookies()) != 0 {
					t.Fatalf("a client of %s came to %s, cookies %v", text, again, res.Cookies())
				}
			}
		}
		if len(seen) != 2 {
			t.Errorf("new clients came to %v only", seen)
		}
		if res, _ := ask("GET", e.url+"/c", nil, "Cookie", "shop=0123456789abcdef"); len(res.Cookies()) != 1 {
			t.Error("who has a cookie of nobody gets no other")
		}
		for _, route := range []string{"/h", "/p"} {
			users := map[string]string{}
			for i := range 60 {
				user := fmt.Sprint("user", i%10)
				_, text := ask("GET", e.url+route, nil, "X-User", user)
				if route == "/p" {
					user = "all"
				}
				if users[user] == "" {
					users[user] = who(text)
				}
				if users[user] != who(text) {
					t.Errorf("%s: %s of %s came to %s", route, user, users[user], text)
				}
			}
		}
	})
}

// When an instance is gone its clients come to another, and stay there.
func TestStickyMovesOn(t *testing.T) {
	reg := versions(t)
	e := run(t, gateway.Config{Resolver: reg, Table: table(t, `{"routes":[{"path":"/","service":"a","sticky":{"cookie":"shop"}}]}`)})
	ask := func(cookie string) (string, string) {
		r, _ := http.NewRequestWithContext(t.Context(), "GET", e.url, nil)
		r.Header.Set("Cookie", "shop="+cookie)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		for _, c := range res.Cookies() {
			cookie = c.Value
		}
		return string(text[:3]), cookie
	}
	who, cookie := ask("")
	list := reg.View("a").Instances()
	left := list[0]
	if who == "one" {
		left = list[1]
	}
	reg.View("a").Set([]discovery.Instance{left})
	moved, next := ask(cookie)
	if moved == who || next == cookie {
		t.Fatalf("a client of %s is at %s, cookie %s", who, moved, next)
	}
	reg.View("a").Set(list)
	for range 10 {
		if again, same := ask(next); again != moved || same != next {
			t.Fatalf("it came from %s to %s", moved, again)
		}
	}
}

func metrics(t *testing.T, e *running) string {
	t.Helper()
	tr := &http.Transport{DialContext: e.dialAdmin, DisableKeepAlives: true}
	res, err := (&http.Client{Transport: tr}).Get("http://edge/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return string(text)
}

// Fields by which the edge tells who asks are dropped from outside, in each spelling.
func TestIdentityFromOutside(t *testing.T) {
	reg := &registry{}
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if n := strings.ToLower(strings.ReplaceAll(name, "_", "-")); strings.HasPrefix(n, "x-auth-") || strings.HasPrefix(n, "x-forwarded-") && name != "X-Forwarded-For" &&
				name != "X-Forwarded-Host" && name != "X-Forwarded-Proto" {
				_, _ = fmt.Fprintln(w, name, r.Header[name])
			}
		}
	})
	reg.View("a").Set([]discovery.Instance{in})
	e := run(t, gateway.Config{Resolver: reg, Table: &snapshot.Document{Routes: all("a")}})
	both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
		_, text := ask("GET", e.url, nil, "X-Auth-Subject", "root", "x_auth_subject", "root", "X-Auth_Scopes", "all", "X_AUTH_ISSUER", "me", "X-Auth-By", "jwt",
			"X-Forwarded-Prefix", "/x", "X_Forwarded_User", "root", "X-Auth-Token", "of the client")
		if text != "X-Auth-Token [of the client]\n" {
			t.Errorf("the service was told %s", text)
		}
	})
}

// An edge without a fleet: instances, routes and filters in one file.
func TestAlone(t *testing.T) {
	s := httptest.NewServer(mirrorOf("static"))
	defer s.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "edge.json")
	text := fmt.Sprintf(`{"admin": %q, "instances": {"site": [%q]}, "table": {"routes": [{"path": "/", "service": "site"}]}}`,
		filepath.Join(dir, "edge.sock"), s.Listener.Addr())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := gateway.ReadConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	e := run(t, cfg)
	if status, text := get(t, e.url+"/x"); status != 200 || !strings.HasPrefix(text, "static GET /x") {
		t.Errorf("%d %s", status, text)
	}
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []string{
		`{"admin":"a","instances":{"Site":["a:1"]}}`, `{"admin":"a","instances":{"site":["a"]}}`, `{"admin":"a","instances":{"site":["a:1"]},"registry":"http://x"}`,
	} {
		if err := os.WriteFile(config, []byte(wrong), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := gateway.ReadConfig(config); err == nil || !strings.Contains(err.Error(), "instances") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// Weights flip at once for all, and no request meets half of a change.
func TestWeightsFlip(t *testing.T) {
	e := run(t, gateway.Config{Resolver: versions(t), Table: table(t, `{"routes":[{"path":"/","service":"a","versions":[{"version":"v1","weight":1}]}]}`)})
	flip := func(version string) {
		doc := table(t, fmt.Sprintf(`{"routes":[{"path":"/","service":"a","versions":[{"version":%q,"weight":1}]}]}`, version))
		if err := e.admin.SetDocument(t.Context(), *doc); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var load sync.WaitGroup
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if status, text := get(t, e.url); status != 200 {
					t.Errorf("during the change: %d %s", status, text)
				}
			}
		})
	}
	for i := range 20 {
		version, who := "v1", "one"
		if i%2 == 0 {
			version, who = "v2", "two"
		}
		flip(version)
		for range 3 {
			if _, text := get(t, e.url); !strings.HasPrefix(text, who) {
				t.Errorf("after the change to %s: %s", version, text)
			}
		}
	}
	stop()
	load.Wait()
}

// A bad document changes nothing, says all that is wrong, and is not kept.
func TestBadDocument(t *testing.T) {
	file := filepath.Join(t.TempDir(), "routes.json")
	e := run(t, gateway.Config{Resolver: versions(t), Routes: file})
	if err := e.admin.SetRoutes(t.Context(), all("a")); err != nil {
		t.Fatal(err)
	}
	kept, _ := os.ReadFile(file)
	doc := table(t, `{"routes":[{"path":"/","service":"a","filters":["lgin"]}],"filters":{"login":{"kind":"nothing"}}}`)
	err := e.admin.SetDocument(t.Context(), *doc)
	if err == nil || !strings.Contains(err.Error(), "routes[0].filters[0]") || !strings.Contains(err.Error(), "filters.login") || !strings.Contains(err.Error(), `did you mean \"login\"`) && !strings.Contains(err.Error(), `did you mean "login"`) {
		t.Errorf("err = %v", err)
	}
	if status, _ := get(t, e.url); status != 200 {
		t.Errorf("after it: %d", status)
	}
	if now, _ := os.ReadFile(file); !bytes.Equal(now, kept) {
		t.Errorf("kept %s", now)
	}
}

// Who asks through a trusted proxy is who that says, and nobody else is believed.
func TestTrustedProxies(t *testing.T) {
	for _, trusted := range []bool{false, true} {
		reg := &registry{}
		in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, r.Header.Get("X-Forwarded-For")+" "+r.Header.Get("X-Forwarded-Proto"))
		})
		reg.View("a").Set([]discovery.Instance{in})
		cfg := gateway.Config{Resolver: reg, Table: table(t, `{"routes":[{"path":"/","service":"a","redirect":{"scheme":"https"}},{"path":"/plain","service":"a"}]}`)}
		want, status := "127.0.0.1 http", http.StatusPermanentRedirect
		if trusted {
			cfg.TrustedProxies = []string{"127.0.0.0/8"}
			want, status = "192.0.2.7 https", http.StatusOK
		}
		e := run(t, cfg)
		both(t, func(t *testing.T, ask func(string, string, io.Reader, ...string) (*http.Response, string)) {
			header := []string{"X-Forwarded-For", "203.0.113.9, 192.0.2.7", "X-Forwarded-Proto", "https"}
			if _, text := ask("GET", e.url+"/plain", nil, header...); text != want {
				t.Errorf("trusted %v: the service was told %s, want %s", trusted, text, want)
			}
			if res, _ := ask("GET", e.url+"/x", nil, header...); res.StatusCode != status {
				t.Errorf("trusted %v: %d, want %d", trusted, res.StatusCode, status)
			}
		})
	}
}

// What a filter has counted, and how calls stand, lives on when the rest changes.
func TestStateLivesOn(t *testing.T) {
	doc := `{"routes":[{"path":"/","service":"a","filters":["fair"]}%s],"filters":{"fair":{"kind":"limit","with":{"rules":[{"rate":"3/h burst 3"}]}}}}`
	e := run(t, gateway.Config{Resolver: versions(t), Table: table(t, fmt.Sprintf(doc, ""))})
	for i := range 6 {
		status, text := get(t, e.url)
		if want := map[bool]int{true: 200, false: 429}[i < 3]; status != want {
			t.Errorf("request %d: %d %s, want %d", i, status, text, want)
		}
		if err := e.admin.SetDocument(t.Context(), *table(t, fmt.Sprintf(doc, fmt.Sprintf(`,{"path":"/n%d","service":"a"}`, i)))); err != nil {
			t.Fatal(err)
		}
	}
	calls, err := e.admin.Calls(t.Context())
	if err != nil || len(calls.Calls) != 1 || calls.Calls[0].Routes[0].Calls != 3 {
		t.Errorf("calls: %+v, %v", calls.Calls, err)
	}
	if text := metrics(t, e); !strings.Contains(text, `filter="fair"`) {
		t.Errorf("the filter has no metrics:\n%s", text)
	}
}
