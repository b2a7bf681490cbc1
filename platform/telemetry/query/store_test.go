package query_test

import (
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/store"
)

// The store of the platform is answered from as the one of these tests is.
func TestTheStoreIsAnsweredFrom(t *testing.T) {
	want, memory := filled()
	s, err := store.Open(t.TempDir(), store.Config{Now: at(noon)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Append(t.Context(), signal.Batch{Spans: memory.spans, Logs: memory.logs}); err != nil {
		t.Fatal(err)
	}
	a := query.New(query.Config{Store: s, Now: at(noon)})
	for _, url := range []string{
		"traces", "traces?limit=3", "traces?min=500ms&service=orders", "traces?attr=user.id=7&error=true", "traces?from=2026-03-01T11:57:00Z&root=true",
		"traces/5", "why/14", "why/5", "services", "points?service=orders", "logs?limit=7", "logs?q=ORDER", "logs?trace=5", "logs?severity=warn",
	} {
		status, got := get(t, a, "/v1/telemetry/"+url)
		if _, wanted := get(t, want, "/v1/telemetry/"+url); status != 200 || got != wanted {
			t.Errorf("%s: %d\n got %s\nwant %s", url, status, got, strings.TrimSpace(wanted))
		}
	}
	for url, want := range map[string]string{
		"ids/0000000000000000000000000000000": `{"traces":[`, "ids/FFFF": `{"traces":[],"more":false}`, "ids/fff": "no beginning of a trace id",
		"ids/wxyz": "no beginning of a trace id", "ids/" + strings.Repeat("0", 33): "no beginning of a trace id", "ids/0000?limit=1": "there is no parameter",
	} {
		if _, got := get(t, a, "/v1/telemetry/"+url); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", url, got, want)
		}
	}
	if status, got := get(t, want, "/v1/telemetry/ids/0000"); status != 501 {
		t.Errorf("of a store that cannot: %d %s", status, got)
	}
}
