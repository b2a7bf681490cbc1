package query_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

// filled is an API on twenty orders, one a minute, the last at 11:59; the fifth was slow.
func filled() (*query.API, *memory) {
	store := &memory{}
	g := graph.New(graph.Config{Now: at(noon)})
	for n := range uint64(20) {
		took := 20 * time.Millisecond
		if n == 4 {
			took = time.Second
		}
		spans := order(n+1, time.Duration(20-n)*time.Minute, took)
		_ = store.Append(context.Background(), signal.Batch{Spans: spans, Logs: []signal.Log{
			{Time: spans[2].Start, Service: "orders", Severity: signal.SeverityInfo, Body: fmt.Sprint("Order ", n+1), Trace: spans[2].Trace, Span: spans[2].ID},
			{Time: spans[2].Start + 1, Service: "orders", Severity: signal.SeverityError, Body: "sold out", Resource: text("service.instance.id", "orders-1")},
		}})
		g.Add(spans)
	}
	return query.New(query.Config{
		Store: store, Graph: g, Live: query.NewLive(nil), Now: at(noon),
		Health: func() query.Health { return query.Health{Notes: []string{"well"}} },
		Overview: func(_ context.Context, window time.Duration) (query.Overview, error) {
			return query.Overview{Step: window.Seconds()}, nil
		},
	}), store
}

// get asks and returns the status and the answer.
func get(t *testing.T, a *query.API, url string) (int, string) {
	t.Helper()
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest("GET", url, nil))
	return w.Code, w.Body.String()
}

// ask decodes an answer.
func ask[T any](t *testing.T, a *query.API, url string) T {
	t.Helper()
	status, body := get(t, a, "/v1/telemetry/"+url)
	var v T
	if err := json.Unmarshal([]byte(body), &v); err != nil || status != 200 {
		t.Fatalf("%s: %d %v\n%s", url, status, err, body)
	}
	return v
}

func TestTracesAreListed(t *testing.T) {
	a, _ := filled()
	for url, want := range map[string]string{
		"traces":                                                  "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1",
		"traces?limit=3":                                          "20 19 18 more",
		"traces?limit=20":                                         "20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1",
		"traces?min=500ms":                                        "5",
		"traces?min=500ms&service=orders":                         "5",
		"traces?max=10ms":                                         "",
		"traces?from=2026-03-01T11:57:00Z":                        "20 19 18",
		"traces?from=2026-03-01T12:57:00%2B01:00":                 "20 19 18",
		"traces?from=1772366220000&until=1772366280000":           "18",
		"traces?service=cart":                                     "",
		"traces?operation=POST&limit=1":                           "20 more",
		"traces?error=true&root=true":                             "",
		"traces?error=true&limit=1":                               "20 more",
		"traces?attr=user.id=7&limit=2":                           "20 19 more",
		"traces?attr=user.id=7&attr=service.instance.id=orders-2": "",
		"traces?slowest=true&limit=2":                             "5 1 more", // the rest took as long as each other
		"traces?slowest=true&min=500ms":                           "5",
		"traces?slowest=true&service=orders&limit=1":              "5 more",
	} {
		list := ask[query.Traces](t, a, url)
		var got []string
		for _, s := range list.Traces {
			got = append(got, fmt.Sprint(int(s.Trace[15])))
		}
		if list.More {
			got = append(got, "more")
		}
		if said := strings.Join(got, " "); said != want {
			t.Errorf("%s: %q, want %q", url, said, want)
		}
	}
	list := ask[query.Traces](t, a, "traces?min=500ms")
	want := query.Summary{
		Trace: traceID(5), Service: "edge", Name: "POST /v1/orders", Start: float64(noon.Add(-16 * time.Minute).UnixMilli()), Duration: 1000, Total: 1000,
		Spans: 3, Errors: 1, Services: []query.Part{{Name: "edge", Spans: 2}, {Name: "orders", Spans: 1, Errors: 1}},
	}
	if got := fmt.Sprintf("%+v", list.Traces[0]); got != fmt.Sprintf("%+v", want) {
		t.Errorf("%s, want %+v", got, want)
	}
}

func TestASummaryKnowsWhereATraceBegins(t *testing.T) {
	spans := order(1, time.Minute, time.Second)
	late := signal.Span{Trace: traceID(1), ID: spanID(9), Parent: spanID(3), Service: "mail", Start: spans[0].End() + 5e8, Duration: 5e8}
	if s := query.Summarize(append(slices.Clone(spans), late)); s.Duration != 1000 || s.Total != 2000 || s.Rootless {
		t.Errorf("%+v", s)
	}
	if s := query.Summarize([]signal.Span{late, spans[2], spans[1]}); s.Service != "edge" || s.Name != "POST" || !s.Rootless {
		t.Errorf("without its root: %+v", s)
	}
	if s := query.Summarize(nil); s.Spans != 0 || s.Services == nil {
		t.Errorf("of nothing: %+v", s)
	}
}

func TestATraceIsShownAsItsTree(t *testing.T) {
	a, _ := filled()
	_, body := get(t, a, "/v1/telemetry/traces/"+traceID(5).String())
	var trace struct {
		query.Summary
		Tree []struct {
			ID, Parent     string
			Depth          int
			Service, Kind  string
			Error          bool
			Own, Duration  float64
			Attributes     map[string]any
			Events         []map[string]any
			Message, Scope string
		}
		Critical []query.Piece
	}
	if err := json.Unmarshal([]byte(body), &trace); err != nil {
		t.Fatal(err, body)
	}
	if len(trace.Tree) != 3 || trace.Tree[2].Depth != 2 || trace.Tree[2].Parent != spanID(2).String() || trace.Tree[1].Own != 2 || trace.Tree[2].Kind != "server" ||
		!trace.Tree[2].Error || trace.Tree[2].Message != "sold out" || trace.Tree[2].Attributes["user.id"] != "7" || len(trace.Tree[2].Events) != 1 {
		t.Errorf("%+v", trace.Tree)
	}
	var covered float64
	for _, p := range trace.Critical {
		covered += p.Until - p.From
	}
	if covered < 999.9 || covered > 1000.1 || trace.Spans != 3 {
		t.Errorf("the critical path of %d spans covers %g ms", trace.Spans, covered)
	}
	for url, want := range map[string]int{"traces/" + traceID(99).String(): 404, "traces/5": 200, "traces/xyz": 400, "traces/" + strings.Repeat("0", 33): 400} {
		if status, body := get(t, a, "/v1/telemetry/"+url); status != want {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
}

func TestLogsAreListed(t *testing.T) {
	a, _ := filled()
	for url, want := range map[string]string{
		"logs?limit=1":         "sold out more",
		"logs?q=ORDER&limit=2": "Order 20 Order 19 more",
		"logs?severity=warn&limit=1&from=2026-03-01T11:58:30Z": "sold out",
		"logs?severity=fatal":    "",
		"logs?service=cart":      "",
		"logs?trace=5":           "Order 5",
		"logs?trace=5&until=1e3": "",
		"logs?attr=service.instance.id=orders-1&limit=1": "sold out more",
	} {
		if strings.Contains(url, "until=1e3") {
			url += "&from=0"
		}
		var got []string
		list := ask[struct {
			Logs []struct{ Body, Instance string }
			More bool
		}](t, a, url)
		for _, l := range list.Logs {
			got = append(got, l.Body)
		}
		if list.More {
			got = append(got, "more")
		}
		if said := strings.Join(got, " "); said != want {
			t.Errorf("%s: %q, want %q", url, said, want)
		}
	}
}

func TestTheOtherQuestions(t *testing.T) {
	a, _ := filled()
	if p := ask[query.Points](t, a, "points?service=orders&limit=2"); len(p.Points) != 2 || !p.More || !p.Points[0].Error || p.Points[0].Duration != 16 {
		t.Errorf("points: %+v", p)
	}
	want := []query.ServiceNames{{Name: "edge", Operations: []string{"POST", "POST /v1/orders"}}, {Name: "orders", Operations: []string{"POST /v1/orders"}}}
	if s := ask[query.Services](t, a, "services"); fmt.Sprint(s.Services) != fmt.Sprint(want) {
		t.Errorf("services: %+v", s)
	}
	if m := ask[query.Map](t, a, "map?window=1h"); len(m.Edges) != 2 || m.Edges[0].Count != 20 {
		t.Errorf("map: %+v", m)
	}
	if w := ask[diagnose.Answer](t, a, "why/"+traceID(20).String()); w.Others != 19 || w.Usual != 20 || w.Sentence == "" {
		t.Errorf("why: %+v", w)
	}
	if o := ask[query.Overview](t, a, "overview?window=1m"); o.Step != 60 {
		t.Errorf("overview: %+v", o)
	}
	if h := ask[query.Health](t, a, "health"); h.Notes[0] != "well" {
		t.Errorf("health: %+v", h)
	}
}

func TestWhatIsWrongIsNamed(t *testing.T) {
	a, _ := filled()
	for url, want := range map[string]string{
		"traces?servce=x":                             `"service" meant`,
		"traces?from=yesterday":                       "parameter from:",
		"traces?from=NaN":                             "parameter from:",
		"traces?until=1e300":                          "parameter until:",
		"traces?from=-1":                              "parameter from:",
		"traces?from=2026-03-01T12:00:00Z":            "not before until",
		"traces?min=5":                                "parameter min:",
		"traces?max=-5s":                              "parameter max:",
		"traces?min=5s&max=1s":                        "parameter min, 5s, is more than max",
		"traces?limit=0":                              "parameter limit:",
		"traces?limit=1001":                           "from 1 to 1000",
		"traces?error=yes":                            "parameter error:",
		"traces?attr=x":                               "parameter attr:",
		"traces?limit=1&limit=2":                      "give it once",
		"traces?service=%zz":                          "query of the URL",
		"traces?a;b":                                  "query of the URL",
		"traces?service=" + strings.Repeat("x", 5000): "longer than",
		"traces?" + strings.Repeat("attr=a=b&", 17):   "at most 16",
		"points?limit=5001":                           "from 1 to 5000",
		"logs?severity=bad":                           "parameter severity:",
		"logs?trace=xyz":                              "parameter trace:",
		"logs/stream?limit=5":                         "no parameter",
		"logs/stream?severity=loud":                   "parameter severity:",
		"map?window=1s":                               "from 1m0s to 1h0m0s",
		"overview?window=x":                           "parameter window:",
		"health?x=1":                                  "takes none",
		"why/zzz":                                     "the path:",
	} {
		if status, body := get(t, a, "/v1/telemetry/"+url); status != 400 || !strings.Contains(strings.ReplaceAll(body, `\"`, `"`), want) {
			t.Errorf("%.60s: %d %s, want %s", url, status, body, want)
		}
	}
	for _, url := range []string{"/v1/telemetry/", "/v1/telemetry/trace", "/v1/telemetry/traces/1/2", "/"} {
		if status, body := get(t, a, url); status != 404 || !strings.Contains(body, "there is no") {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	w := httptest.NewRecorder()
	a.Handler().ServeHTTP(w, httptest.NewRequest("POST", "/v1/telemetry/traces", nil))
	if w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST: %d %s", w.Code, w.Body)
	}
	bare := query.New(query.Config{Store: &memory{}})
	for _, url := range []string{"map", "overview", "health", "logs/stream"} {
		if status, body := get(t, bare, "/v1/telemetry/"+url); status != 501 {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
}

// What takes too long is answered with what there is till then; a store that fails, never.
func TestAnAnswerIsBoundedInTime(t *testing.T) {
	full, store := filled()
	_ = full
	store.slow = make(chan struct{})
	a := query.New(query.Config{Store: store, Deadline: 20 * time.Millisecond, Now: at(noon)})
	if list := ask[query.Traces](t, a, "traces"); !list.More {
		t.Errorf("%d traces, and no more?", len(list.Traces))
	}
	if list := ask[query.Points](t, a, "points"); !list.More || len(list.Points) != 60 {
		t.Errorf("%d points, and no more?", len(list.Points))
	}
	if list := ask[struct {
		Logs []any
		More bool
	}](t, a, "logs"); !list.More || len(list.Logs) != 40 {
		t.Errorf("%d records, and no more?", len(list.Logs))
	}
	if names := ask[query.Services](t, a, "services"); len(names.Services) != 2 {
		t.Errorf("%+v", names)
	}
	store.slow, store.fail = nil, errors.New("the disk broke")
	a = query.New(query.Config{Store: store})
	for _, url := range []string{"traces", "points", "logs", "services", "traces/5", "why/5"} {
		if status, body := get(t, a, "/v1/telemetry/"+url); status != 500 || strings.Contains(body, "disk") {
			t.Errorf("%s: %d %s", url, status, body)
		}
	}
	store.fail = context.DeadlineExceeded
	if status, body := get(t, a, "/v1/telemetry/traces/5"); status != http.StatusGatewayTimeout || !strings.Contains(body, "shorter time") {
		t.Errorf("%d %s", status, body)
	}
}
