package proxy_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// What comes out behind the edge is what went in, and what it says of the client.
func TestRequestIsPassedOn(t *testing.T) {
	bothProtocols(t, func(t *testing.T, c *http.Client) {
		got := make(chan *http.Request, 1)
		catalog := serve(t, "catalog-1", "catalog", func(w http.ResponseWriter, r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(fmt.Sprint(io.ReadAll(r.Body))))
			got <- r
			w.Header().Add("X-Two", "1")
			w.Header().Add("X-Two", "2")
			w.Header().Set("X-Request-Id", "the service's own")
			w.Header().Set("Keep-Alive", "timeout=5")
			w.WriteHeader(http.StatusTeapot)
			_, _ = io.WriteString(w, "short and stout")
		})
		e := newEdge(t, []route.Route{{Path: "/v1/products", Service: "catalog"}}, nil, catalog)
		res, text := must(t, c, "PATCH", e.url+"/v1/products/%C3%BC%20x;v=1?a=1;b=%zz&c", strings.NewReader("body"),
			"X-Own", "1", "X-Own", "2", "X-Request-Id", "id-7", "Cookie", "a=b", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "User-Agent", "")
		if res.StatusCode != http.StatusTeapot || text != "short and stout" || fmt.Sprint(res.Header["X-Two"]) != "[1 2]" {
			t.Errorf("answer: %v %q", res, text)
		}
		if id := res.Header["X-Request-Id"]; len(id) != 1 || id[0] != "id-7" || res.Header.Get("Keep-Alive") != "" {
			t.Errorf("answer's header: %v", res.Header)
		}
		r := <-got
		if r.Method != "PATCH" || r.RequestURI != "/v1/products/%C3%BC%20x;v=1?a=1;b=%zz&c" || r.Host != e.addr {
			t.Errorf("request: %s %s for %s", r.Method, r.RequestURI, r.Host)
		}
		if body, _ := io.ReadAll(r.Body); string(body) != fmt.Sprint([]byte("body"), nil) {
			t.Errorf("body %s", body)
		}
		for name, want := range map[string]string{
			"X-Own": "[1 2]", "X-Request-Id": "[id-7]", "Cookie": "[a=b]", "X-Forwarded-For": "[127.0.0.1]", "X-Forwarded-Proto": "[http]",
			"X-Forwarded-Host": "[" + e.addr + "]", "User-Agent": "[]", "Accept-Encoding": "[]", "Content-Length": "[4]",
		} {
			if got := fmt.Sprint(r.Header[name]); got != want {
				t.Errorf("%s: %s, want %s", name, got, want)
			}
		}
		if tp := r.Header.Get("Traceparent"); !strings.HasPrefix(tp, "00-0af7651916cd43dd8448eb211c80319c-") {
			t.Errorf("the trace is lost: %q", tp)
		}
		c.CloseIdleConnections()
		lines := e.logged(t)
		if len(lines) != 1 {
			t.Fatalf("%d lines are logged", len(lines))
		}
		l := lines[0]
		if l.RequestID != "id-7" || l.TraceID != "0af7651916cd43dd8448eb211c80319c" || l.Method != "PATCH" || l.Host != "127.0.0.1" ||
			l.Path != "/v1/products/ü x;v=1" || l.Status != 418 || l.Bytes != 15 || l.DurationMS <= 0 || l.Instance != "catalog-1" ||
			l.Route != "/v1/products" || l.Retries != 0 || l.Error != "" || l.GRPC != nil {
			t.Errorf("logged: %+v", l)
		}
	})
}

// What only a proxy may say is not believed of a client, nor passed on.
func TestOutsideHeadersAreDropped(t *testing.T) {
	got := make(chan http.Header, 1)
	e := newEdge(t, everything("web"), nil, serve(t, "web-1", "web", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header }))
	must(t, client(t, false), "GET", e.url, nil,
		"X-Forwarded-For", "6.6.6.6", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "https", "X-Forwarded-Prefix", "/x",
		"X_Forwarded_For", "6.6.6.6", "X-Forwarded_Proto", "https", "Forwarded", "for=6.6.6.6", "X-Real-Ip", "6.6.6.6", "x_real_ip", "6.6.6.6",
		"True-Client-Ip", "6.6.6.6", "X-Original-Url", "/admin", "X-Rewrite-Url", "/admin", "X-Request-Id", "not\tvalid",
		"Connection", "X-Mine, close", "X-Mine", "1", "Keep-Alive", "1", "Proxy-Authorization", "Basic x", "Te", "gzip", "Trailer", "X-T", "Upgrade", "foo",
		"Client-Ip", "6.6.6.6", "X-Client-Ip", "6.6.6.6", "X-Cluster-Client-Ip", "6.6.6.6", "Cf-Connecting-Ip", "6.6.6.6", "CF_Connecting_IP", "6.6.6.6",
		"Front-End-Https", "on", "X-Url-Scheme", "https", "Proxy", "evil.example:80", "Muster-Caller", "evil", "muster_caller", "evil",
		"X-Kept", "yes")
	h := <-got
	for name, values := range h {
		switch name {
		case "X-Kept", "Accept-Encoding", "User-Agent", "Traceparent":
			continue
		case "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Request-Id", "Muster-Caller":
			if text := fmt.Sprint(values); len(values) == 1 && !strings.Contains(text, "6.6.6.6") && !strings.Contains(text, "evil") && !strings.Contains(text, "https") {
				continue
			}
		}
		t.Errorf("%s: %q was passed on", name, values)
	}
	if h.Get("X-Kept") != "yes" || h.Get("Muster-Caller") != "edge" || !regexp.MustCompile("^[0-9a-f]{32}$").MatchString(h.Get("X-Request-Id")) {
		t.Errorf("passed on: %v", h)
	}
}

// Requests that programs read differently go nowhere.
func TestAmbiguousRequestsAreRefused(t *testing.T) {
	reached := func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s reached a service", r.RequestURI) }
	e := newEdge(t, everything("web"), nil, serve(t, "web-1", "web", reached))
	for request, want := range map[string]int{
		"GET //a HTTP/1.1\r\nHost: x":                               400,
		"GET /a/../b HTTP/1.1\r\nHost: x":                           400,
		"GET /a/%2e%2e/b HTTP/1.1\r\nHost: x":                       400,
		"GET /a/..;/b HTTP/1.1\r\nHost: x":                          400,
		"GET /a%2fb HTTP/1.1\r\nHost: x":                            400,
		"GET /a%5Cb HTTP/1.1\r\nHost: x":                            400,
		"GET /a%00 HTTP/1.1\r\nHost: x":                             400,
		"GET /a#b HTTP/1.1\r\nHost: x":                              400,
		"GET /?a#b HTTP/1.1\r\nHost: x":                             400,
		"GET http://x/a/../b HTTP/1.1\r\nHost: x":                   400,
		"GET / HTTP/1.1\r\nHost: a b":                               400,
		"GET / HTTP/1.1\r\nHost: a/b":                               400,
		"GET / HTTP/1.1\r\nHost: a\r\nHost: b":                      400,
		"GET / HTTP/1.1":                                            400,
		"GET / HTTP/1.1\r\nHost: x\r\nBad Name: 1":                  400,
		"GET / HTTP/1.1\r\nHost: x\r\nX: a\x00b":                    400,
		"G@T / HTTP/1.1\r\nHost: x":                                 400,
		"GET /% HTTP/1.1\r\nHost: x":                                400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x":           400,
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip":     501,
		"POST / HTTP/1.1\r\nHost: x\r\nExpect: magic":               417,
		"TRACE / HTTP/1.1\r\nHost: x":                               405,
		"CONNECT x:80 HTTP/1.1\r\nHost: x:80":                       405,
		"GET / HTTP/3.0\r\nHost: x":                                 505,
		"GET / HTTP/1.1\r\nHost: x\r\nRequest-Timeout: soon":        400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2":        400,
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1":          400,
		"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x,chunked": 501,
	} {
		_, r := raw(t, e.addr, request+"\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil || res.StatusCode != want {
			t.Errorf("%q: %v, %v; want %d", request, res, err, want)
		}
	}
	for _, l := range e.logged(t) {
		if l.Status < 400 || l.Error == "" || l.Instance != "" || l.RequestID == "" {
			t.Errorf("logged: %+v", l)
		}
	}
}

func TestProblems(t *testing.T) {
	silent := make(chan struct{})
	defer close(silent)
	slow := serve(t, "slow-1", "slow", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-silent:
		case <-r.Context().Done():
		}
	})
	routes := []route.Route{{Path: "/none", Service: "none"}, {Path: "/gone", Service: "gone"}, {Path: "/slow", Service: "slow"}}
	e := newEdge(t, routes, func(calls *call.Config, cfg *proxy.Config) { calls.Wait, cfg.AnswerTimeout = -1, 300e6 }, slow, at("gone-1", "gone", nowhere(t)))
	for _, test := range []struct {
		path, timeout string
		status        int
		code          problem.Code
		detail        string
	}{
		{"/", "", 404, problem.NotFound, "no service is routed"},
		{"/none/x", "", 503, problem.Unavailable, `service "none" has no instance that is ready`},
		{"/gone", "", 503, problem.Unavailable, `service "gone" cannot be reached`},
		{"/slow", "", 504, problem.DeadlineExceeded, "gave no answer within 300ms"},
		{"/slow", "10", 504, problem.DeadlineExceeded, "in the time the request allows"},
		{"/%2e", "", 400, problem.InvalidArgument, "dot segment"},
	} {
		header := []string{}
		if test.timeout != "" {
			header = []string{call.DeadlineHeader, test.timeout}
		}
		res, text := must(t, client(t, false), "GET", e.url+test.path, nil, header...)
		var doc struct {
			Status int
			Code   problem.Code
			Detail string
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %q: %v", test.path, text, err)
		}
		if res.StatusCode != test.status || doc.Status != test.status || doc.Code != test.code || !strings.Contains(doc.Detail, test.detail) ||
			res.Header.Get("Content-Type") != "application/problem+json" || res.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: %s %q", test.path, res.Status, text)
		}
		if strings.Contains(text, "127.0.0.1") || strings.Contains(text, "refused") {
			t.Errorf("%s tells what is behind the edge: %s", test.path, text)
		}
		if retry := res.Header.Get("Retry-After"); (retry == "1") != (test.status == 503) {
			t.Errorf("%s: Retry-After %q", test.path, retry)
		}
	}
	for _, l := range e.logged(t) {
		if l.Error == "" || l.Bytes == 0 {
			t.Errorf("logged: %+v", l)
		}
	}
}

// A route's versions get their shares, and a version without instances leaves its
// share to the others.
func TestVersions(t *testing.T) {
	named := func(id, version string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, version) }
	}
	v1, v2 := serve(t, "a-1", "a", named("a-1", "v1")), serve(t, "a-2", "a", named("a-2", "v2"))
	v1.Version, v2.Version = "v1", "v2"
	e := newEdge(t, []route.Route{{Path: "/", Service: "a", Versions: []route.Share{{Version: "v1", Weight: 70}, {Version: "v2", Weight: 30}}}}, nil, v1, v2)
	c := client(t, false)
	count := map[string]int{}
	for range 600 {
		_, text := must(t, c, "GET", e.url, nil)
		count[text]++
	}
	if count["v2"] < 120 || count["v2"] > 240 || count["v1"]+count["v2"] != 600 {
		t.Errorf("600 requests went %v, want about 420 and 180", count)
	}
	e.list(v1)
	for range 50 {
		if _, text := must(t, c, "GET", e.url, nil); text != "v1" {
			t.Fatalf("got %q with v1 alone", text)
		}
	}
}

func TestMetrics(t *testing.T) {
	e := newEdge(t, []route.Route{{Path: "/a", Service: "a"}, {Path: "/b", Service: "b"}}, func(c *call.Config, _ *proxy.Config) { c.Wait = -1 },
		at("a-0", "a", nowhere(t)), serve(t, "a-1", "a", func(http.ResponseWriter, *http.Request) {}))
	c := client(t, false)
	for range 4 {
		must(t, c, "GET", e.url+"/a", nil)
	}
	must(t, c, "POST", e.url+"/b", nil)
	must(t, c, "GET", e.url+"/", nil)
	e.end()
	text := scrape(t, e)
	for _, want := range []string{
		`muster_edge_requests_total{method_class="safe",route="/a",status_class="2xx"} 4`,
		`muster_edge_requests_total{method_class="other",route="/b",status_class="5xx"} 1`,
		`muster_edge_requests_total{method_class="safe",route="",status_class="4xx"} 1`,
		`muster_edge_request_duration_seconds_count{route="/a"} 4`,
		`muster_edge_requests_in_flight 0`,
		`muster_edge_access_log_dropped_total 0`,
		`muster_edge_retries_total{route="/a"} 1`, // the instance that refused is avoided for a second
		`muster_edge_upstream_failures_total{service="a"} 1`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	table, err := route.New([]route.Route{{Path: "/b", Service: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	e.SetTable(table)
	if text := scrape(t, e); strings.Contains(text, `route="/a"`) || !strings.Contains(text, `route="/b"`) {
		t.Errorf("after /a has gone:\n%s", text)
	}
}

func scrape(t *testing.T, e *edge) string {
	t.Helper()
	w := httptest.NewRecorder()
	handler(e).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

// What counts for a request at the edge is the rule of its own path, not of the edge's
// route, and a client cannot raise its priority itself.
func TestPriorityIsSetAtTheEdge(t *testing.T) {
	got := make(chan string, 1)
	catalog := serve(t, "catalog-1", "catalog", func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get(resilience.PriorityHeader) })
	e := newEdge(t, []route.Route{{Path: "/", Service: "catalog"}}, nil, catalog)
	e.fleet.View("catalog").SetSettings([]byte(`{"settings":{},"priority":"low","routes":{"GET /v1/products/{id}":{"priority":"critical"},"POST /":{}}}`))
	c := client(t, false)
	for request, want := range map[string]string{"GET /v1/products/7": "critical", "GET /v1/products": "low", "POST /x": ""} {
		method, path, _ := strings.Cut(request, " ")
		must(t, c, method, e.url+path, nil, resilience.PriorityHeader, "high")
		if p := <-got; p != want {
			t.Errorf("%s came with the priority %q, want %q", request, p, want)
		}
	}
}
