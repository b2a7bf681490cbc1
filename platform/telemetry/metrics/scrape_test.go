package metrics_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/metrics"
)

// TestScrape scrapes a program that answers well, then ill, then well, and is gone.
func TestScrape(t *testing.T) {
	var answer atomic.Value
	answer.Store("")
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, _ := answer.Load().(string)
		switch {
		case text == "ill":
			http.Error(w, "ill", http.StatusInternalServerError)
		case strings.HasSuffix(text, "# EOF\n"):
			w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
			_, _ = fmt.Fprint(w, text)
		default:
			_, _ = fmt.Fprint(w, text)
		}
	}))
	defer program.Close()
	var targets atomic.Value
	targets.Store([]metrics.Target{{URL: program.URL, Job: "legacy", Instance: "l-1"}})
	db := open(t, t.TempDir(), metrics.Config{ScrapeEvery: 30 * time.Millisecond, Targets: func() []metrics.Target {
		list, _ := targets.Load().([]metrics.Target)
		return list
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	wait := func(query, want string) {
		t.Helper()
		got := ""
		for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
			if got = ask(t, db, query, time.Now()); got == want {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
		t.Fatalf("%s: %q, want %q", query, got, want)
	}
	answer.Store("# HELP hits_total Hits.\n# TYPE hits_total counter\nhits_total{job=\"own\"} 3\nother 1\n")
	wait("hits_total", `{__name__="hits_total", exported_job="own", instance="l-1", job="legacy"} 3`)
	wait("up", `{__name__="up", instance="l-1", job="legacy"} 1`)
	answer.Store("# TYPE hits counter\nhits_total{job=\"own\"} 4 # {trace_id=\"abc\"} 0.5\n# EOF\n")
	wait("hits_total", `{__name__="hits_total", exported_job="own", instance="l-1", job="legacy"} 4`)
	wait("other", "") // it is over at once, not after five minutes
	for _, ill := range []string{"ill", "this is { no metric", "x 1\n" + strings.Repeat("#", 17<<20)} {
		answer.Store(ill)
		wait("up", `{__name__="up", instance="l-1", job="legacy"} 0`)
		wait("hits_total", "")
		answer.Store("hits_total 5\n")
		wait("up", `{__name__="up", instance="l-1", job="legacy"} 1`)
		wait("hits_total", `{__name__="hits_total", instance="l-1", job="legacy"} 5`)
	}
	targets.Store([]metrics.Target{})
	wait("up", "")
	wait("hits_total", "")
	if s := db.Stats(); len(s.Rejected) != 0 {
		t.Errorf("rejected: %v", s.Rejected)
	}
}

// TestScrapeOfAnother takes over what another database exposes.
func TestScrapeOfAnother(t *testing.T) {
	_, base := serve(t, time.Now())
	db := open(t, t.TempDir(), metrics.Config{ScrapeEvery: 50 * time.Millisecond, Targets: func() []metrics.Target {
		return []metrics.Target{{URL: base + "/metrics", Job: "fleet", Instance: "f-1"}}
	}})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- db.Run(ctx) }()
	want := `{__name__="requests_total", code="200", exported_instance="orders-1", exported_job="orders", instance="f-1", job="fleet"} 8`
	got := ""
	for deadline := time.Now().Add(10 * time.Second); got != want && time.Now().Before(deadline); {
		got = ask(t, db, `requests_total{code="200"}`, time.Now())
		<-time.After(5 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil || got != want {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
}
