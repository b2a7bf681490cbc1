package proxy_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/call"
	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/discovery"
	"github.com/musterdev/muster/call/policy"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/platform/gateway/proxy"
	"github.com/musterdev/muster/platform/gateway/valve"
)

// An edge that is behind turns requests away by the priority of their route, whatever
// the client says of its own, and nothing of them reaches an instance.
func TestAnEdgeBehindShedsByRoute(t *testing.T) {
	var reached []string
	e := newEdge(t, everything("web"), func(_ *call.Config, cfg *proxy.Config) { cfg.Valve = closingValve() },
		serve(t, "web-1", "web", func(_ http.ResponseWriter, r *http.Request) { reached = append(reached, r.URL.Path) }))
	critical, low := resilience.Critical, resilience.Low
	settings, err := policy.Service{Routes: map[string]policy.Rule{"/pay": {Priority: &critical}, "/report": {Priority: &low}}}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	e.fleet.View("web").SetSettings(discovery.Settings(settings))
	c := client(t, false)
	for range 5 {
		for _, path := range []string{"/pay", "/report"} { // the very first of a second gets in, whoever it is
			want := http.StatusOK
			if path == "/report" {
				want = http.StatusServiceUnavailable
			}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url+path, strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set(resilience.PriorityHeader, "critical")
			res, err := c.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			var body bytes.Buffer
			_, _ = body.ReadFrom(res.Body)
			_ = res.Body.Close()
			shed := res.Header.Get("Retry-After") == "1" && res.Header.Get(resilience.ShedHeader) == "1" && strings.Contains(body.String(), "nothing was done")
			if res.StatusCode != want || shed != (want != http.StatusOK) {
				t.Errorf("%s: %d %v %s", path, res.StatusCode, res.Header, &body)
			}
		}
	}
	if got := strings.Join(reached, " "); got != "/pay /pay /pay /pay /pay" {
		t.Errorf("what came through: %s", got)
	}
}

// closingValve lets 10 requests in a second, and the most important before the others.
func closingValve() *valve.Valve {
	v := &valve.Valve{}
	var p admission.Pressure
	for range 3 {
		p.Tick(admission.Seen{Took: admission.PressureTick, Wait: 30 * time.Millisecond, Runnable: 100, Done: 1, Arrived: 240})
	}
	v.Follow(&p)
	return v
}
