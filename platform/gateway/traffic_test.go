package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/cache/cachetest"
	"github.com/musterdev/muster/platform/gateway"
	"github.com/musterdev/muster/platform/gateway/snapshot"
)

// filtered is a document whose only route has the filters, and with whole is served by net/http.
func filtered(t *testing.T, filters string, whole bool) *snapshot.Document {
	t.Helper()
	names := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(filters), &names); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range []string{"names", "web", "fair", "plan", "small"} { // in this order
		if _, ok := names[name]; ok {
			list = append(list, name)
		}
	}
	if whole {
		names["whole"] = json.RawMessage(`{"kind":"middleware","with":{"name":"whole"}}`)
		list = append(list, "whole")
	}
	text, err := json.Marshal(map[string]any{"routes": []any{map[string]any{"path": "/", "service": "a", "filters": list}}, "filters": names})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := snapshot.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return &doc
}

// traffic runs an edge with such a table in front of an instance that tells what it was sent.
func traffic(t *testing.T, cfg gateway.Config, filters string, whole bool) *running {
	t.Helper()
	in, _ := instance(t, "a-1", func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprintf(w, "%d %v %s", n, err, r.Header.Get("X-From"))
	})
	cfg.Instances = map[string][]string{"a": {in.Endpoints["http"]}}
	cfg.Table = filtered(t, filters, whole)
	cfg.Middleware = map[string]func(http.Handler) http.Handler{"whole": func(next http.Handler) http.Handler { return next }}
	return run(t, cfg)
}

func send(t *testing.T, method, url string, body io.Reader, fields ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(fields); i += 2 {
		req.Header.Add(fields[i], fields[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

// chunks is a body that does not say how long it is.
type chunks struct{ io.Reader }

// What filters of traffic decide is the same whichever engine serves the request.
func TestTraffic(t *testing.T) {
	for name, whole := range map[string]bool{"inline": false, "whole": true} {
		t.Run(name, func(t *testing.T) {
			e := traffic(t, gateway.Config{}, `{
				"names": {"kind":"fields","with":{"request":{"set":{"X-From":"{client}"}},"answer":{"set":{"X-Edge":"yes"}}}},
				"web": {"kind":"cors","with":{"origins":["https://app.example"]}},
				"fair": {"kind":"limit","with":{"rate":"5/h burst 5","by":"header X-Tenant","tell":true}},
				"small": {"kind":"size","with":{"body":10,"fields":20}}
			}`, whole)
			ask := func(method string, body io.Reader, fields ...string) (*http.Response, string) {
				t.Helper()
				res, text := send(t, method, e.url+"/v1", body, fields...)
				if res.Header.Get("X-Edge") != "yes" {
					t.Errorf("an answer with %d has no field of the edge: %v", res.StatusCode, res.Header)
				}
				return res, text
			}
			res, text := ask("GET", nil, "X-Tenant", "t1", "Origin", "https://app.example", "X-From", "me")
			if res.StatusCode != 200 || text != "0 <nil> 127.0.0.1" || res.Header.Get("RateLimit") != `"limit";r=4` || res.Header.Get("Access-Control-Allow-Origin") != "https://app.example" {
				t.Errorf("%d %s %v", res.StatusCode, text, res.Header)
			}
			if res, _ := ask("OPTIONS", nil, "Origin", "https://app.example", "Access-Control-Request-Method", "PUT"); res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Methods") == "" {
				t.Errorf("a preflight: %d %v", res.StatusCode, res.Header)
			}
			for i, c := range []struct {
				body   io.Reader
				status int
			}{{strings.NewReader("0123456789"), 200}, {strings.NewReader("01234567890"), 413}, {chunks{strings.NewReader("0123456789")}, 200}, {chunks{strings.NewReader("01234567890")}, 413}} {
				if res, text := ask("POST", c.body, "X-Tenant", "t1"); res.StatusCode != c.status || c.status == 413 && !strings.Contains(text, "too_large") {
					t.Errorf("body %d: %d %s", i, res.StatusCode, text)
				}
			}
			res, text = ask("GET", nil, "X-Tenant", "t1")
			if res.StatusCode != 429 || res.Header.Get("Retry-After") == "" || !strings.HasPrefix(res.Header.Get("RateLimit"), `"limit";r=0;t=`) {
				t.Errorf("%d %s %v", res.StatusCode, text, res.Header)
			}
			many := []string{"X-Tenant", "t2"}
			for i := range 30 {
				many = append(many, fmt.Sprint("X-", i), "v")
			}
			if res, text := ask("GET", nil, many...); res.StatusCode != 431 {
				t.Errorf("%d %s", res.StatusCode, text)
			}
		})
	}
}

// A table in which a limit stays as it is leaves its counts alone.
func TestALimitSurvivesAReload(t *testing.T) {
	const fair = `{"fair":{"kind":"limit","with":{"rate":"1/h burst 2"}}}`
	e := traffic(t, gateway.Config{}, fair, false)
	for range 2 {
		if status, text := get(t, e.url); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	put := func(filters string) {
		t.Helper()
		if err := e.admin.SetDocument(t.Context(), *filtered(t, filters, false)); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"fair":{"kind":"limit","with":{"rate":"1/h burst 2"}},"small":{"kind":"size","with":{"body":10}}}`)
	if status, _ := get(t, e.url); status != 429 {
		t.Errorf("after a reload: %d", status)
	}
	put(`{"fair":{"kind":"limit","with":{"rate":"1/h burst 3"}}}`)
	if status, _ := get(t, e.url); status != 200 {
		t.Errorf("with another limit: %d", status)
	}
}

// Two edges hold one limit together, and a quota goes on where an edge that ended was.
func TestEdgesShare(t *testing.T) {
	var store cachetest.Memory
	cfg := gateway.Config{Store: &store}
	const filters = `{
		"fair": {"kind":"limit","with":{"rate":"1/h burst 8","shared":{"gateways":2}}},
		"plan": {"kind":"quota","with":{"count":6,"per":"month","shared":true}}
	}`
	one, two := traffic(t, cfg, filters, false), traffic(t, cfg, filters, false)
	known := func(e *running) bool {
		c := http.Client{Transport: &http.Transport{DialContext: e.dialAdmin, DisableKeepAlives: true}}
		res, err := c.Get("http://edge/metrics")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return strings.Contains(string(text), `muster_edge_limit_gateways{filter="fair"} 2`)
	}
	eventually(t, "the edges know each other", func() bool { return known(one) && known(two) })
	passed := 0
	for i := range 8 {
		if status, _ := get(t, []string{one.url, two.url}[i%2]); status == 200 {
			passed++
		}
		rest(t.Context(), 500*time.Millisecond/8) // quotas add up within half a second
	}
	if passed < 6 || passed > 8 {
		t.Errorf("%d pass", passed)
	}
	if err := one.stop(); err != nil {
		t.Fatal(err)
	}
	three := traffic(t, cfg, `{"plan": {"kind":"quota","with":{"count":6,"per":"month","shared":true}}}`, false)
	_, _ = get(t, three.url)
	eventually(t, "an edge that is new counts on", func() bool { status, _ := get(t, three.url); return status == 429 })
}

func rest(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
