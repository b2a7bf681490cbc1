package proxy_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/route"
	"github.com/musterdev/muster/problem"
)

// A request of which no instance has heard is answered with what kept it, and that nothing
// was sent, also where a timeout ends the wait for an instance.
func TestNothingWasSent(t *testing.T) {
	began, let := make(chan struct{}), make(chan struct{})
	broken := serve(t, "broken-1", "broken", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	full := serve(t, "full-1", "full", func(_ http.ResponseWriter, r *http.Request) {
		began <- struct{}{}
		select {
		case <-let:
		case <-r.Context().Done():
		}
	})
	plain := discovery.Instance{ID: "plain-1", Service: "plain", State: discovery.Ready, Endpoints: map[string]string{"tcp": "127.0.0.1:1"}}
	var routes []route.Route
	for _, s := range []string{"none", "gone", "plain", "broken", "full"} {
		routes = append(routes, route.Route{Path: "/" + s, Service: s})
	}
	e := newEdge(t, routes, nil, broken, full, plain, at("gone-1", "gone", nowhere(t)))
	for service, settings := range map[string]string{
		"none": `{"timeout":"400ms"}`, "gone": `{"timeout":"400ms"}`, "plain": `{"timeout":"400ms"}`,
		"broken": `{"breaker":{"min_calls":1,"open":"40s"}}`, "full": `{"bulkhead":{"max":1}}`,
	} {
		e.fleet.View(service).SetSettings(discovery.Settings(settings))
	}
	c := client(t, false)
	if res, _ := must(t, c, "GET", e.url+"/broken", nil); res.StatusCode != http.StatusInternalServerError {
		t.Fatalf("the first call: %s", res.Status)
	}
	go func() { _, _, _ = do(t, client(t, false), "GET", e.url+"/full", nil) }()
	receive(t, "the first call is there", began)
	for _, test := range []struct {
		path, deadline string // of the request, in milliseconds
		status         int
		code           problem.Code
		detail, retry  string
	}{
		{"/none", "", 503, problem.Unavailable, "has no instance that is ready; nothing was sent", "1"},
		{"/none", "200", 503, problem.Unavailable, "has no instance that is ready; nothing was sent", "1"},
		{"/plain", "", 503, problem.Unavailable, "has no instance that is ready; nothing was sent", "1"},
		{"/gone", "", 503, problem.Unavailable, "cannot be reached; nothing was sent", "1"},
		{"/gone", "200", 504, problem.DeadlineExceeded, "could not be reached in the time the request allows; nothing was sent", ""},
		{"/broken", "", 503, problem.Unavailable, "its breaker is open; nothing was sent", "40"},
		{"/full", "", 503, problem.Unavailable, "as its bulkhead admits; nothing was sent", "1"},
	} {
		header := []string{}
		if test.deadline != "" {
			header = []string{call.DeadlineHeader, test.deadline}
		}
		res, text := must(t, c, "POST", e.url+test.path, strings.NewReader("{}"), header...)
		var doc struct {
			Code   problem.Code
			Detail string
		}
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %q: %v", test.path, text, err)
		}
		retry := res.Header.Get("Retry-After")
		if test.retry == "40" && retry > "20" && retry < "40" {
			retry = test.retry // the breaker's counts down
		}
		if res.StatusCode != test.status || doc.Code != test.code || !strings.HasSuffix(doc.Detail, test.detail) || retry != test.retry {
			t.Errorf("%s %s: %s, Retry-After %q: %s", test.path, test.deadline, res.Status, retry, text)
		}
	}
	close(let)
}

// An instance that says nothing may have done what was asked, and is not said to have heard
// nothing.
func TestSomethingWasSent(t *testing.T) {
	slow := serve(t, "a-1", "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	e := newEdge(t, everything("a"), func(_ *call.Config, cfg *proxy.Config) { cfg.AnswerTimeout = 800e6 }, slow)
	for settings, want := range map[string]string{`{}`: "within 800ms", `{"timeout":"400ms"}`: "within the timeout of calls to it"} {
		e.fleet.View("a").SetSettings(discovery.Settings(settings))
		res, text := must(t, client(t, false), "POST", e.url, nil)
		if res.StatusCode != http.StatusGatewayTimeout || !strings.Contains(text, want+"; it may still do what was asked") {
			t.Errorf("%s: %s %s", settings, res.Status, text)
		}
	}
}
