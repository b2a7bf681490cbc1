package live_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/drill/live"
	"github.com/musterdev/muster/platform/load"
)

func TestRepeatable(t *testing.T) {
	key := map[string]string{"idempotency-key": "${unique}"}
	for _, tc := range []struct {
		flow load.Flow
		step load.Step
		want bool
	}{
		{load.Flow{}, load.Step{}, true},
		{load.Flow{}, load.Step{Method: "DELETE"}, true},
		{load.Flow{}, load.Step{Method: "post"}, false},
		{load.Flow{}, load.Step{Method: "PATCH"}, false},
		{load.Flow{}, load.Step{Method: "POST", Headers: key}, true},
		{load.Flow{Headers: key}, load.Step{Method: "POST"}, true},
	} {
		if got := live.Repeatable(tc.flow, tc.step); got != tc.want {
			t.Errorf("%+v of %+v: %v", tc.step, tc.flow, got)
		}
	}
}

// What may not be repeated may be refused in words; all else must succeed, and a load's
// own targets count.
func TestNoneFailed(t *testing.T) {
	for name, tc := range map[string]struct {
		get, post int // the status of each
		slo       load.SLO
		missed    string
	}{
		"all well":         {200, 201, load.SLO{P99: time.Minute}, ""},
		"refused in words": {200, 502, load.SLO{}, ""},
		"broken":           {200, 500, load.SLO{}, "requests that may not be repeated"},
		"lost":             {200, 0, load.SLO{}, "requests that may not be repeated"},
		"a read failed":    {503, 201, load.SLO{}, "failed requests"},
		"too slow":         {200, 201, load.SLO{P99: time.Nanosecond}, "response p99"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			status := tc.get
			if r.Method == http.MethodPost {
				status = tc.post
			}
			if status == 0 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(status)
		}))
		plan := load.Plan{URL: server.URL, Arrivals: load.Constant, SLO: tc.slo, Flows: []load.Flow{
			{Steps: []load.Step{{Path: "/"}}}, {Name: "writes", Steps: []load.Step{{Method: "POST", Path: "/"}}},
		}}
		r := &drill.Report{}
		err := live.Begin(t.Context(), plan, 200, 200*time.Millisecond).NoneFailed(r, "now")
		server.Close()
		if err != nil {
			t.Fatal(err)
		}
		var missed []string
		for _, row := range r.Rows {
			if !row.Held {
				missed = append(missed, row.What)
			}
		}
		if got := strings.Join(missed, "; "); tc.missed == "" && got != "" || !strings.Contains(got, tc.missed) || len(missed) > 1 {
			t.Errorf("%s: missed %q, want %q", name, got, tc.missed)
		}
	}
}
