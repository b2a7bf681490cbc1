package query_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/problem"
)

func logs(bodies ...string) signal.Batch {
	var b signal.Batch
	for _, body := range bodies {
		b.Logs = append(b.Logs, signal.Log{Time: 1e6, Service: "cart", Severity: signal.SeverityInfo, Body: body, Trace: traceID(1), Attributes: text("k", "v")})
	}
	return b
}

func TestATailHasWhatItWants(t *testing.T) {
	for name, c := range map[string]struct {
		query signal.LogQuery
		want  int
	}{
		"all":                {signal.LogQuery{}, 2},
		"a service":          {signal.LogQuery{Service: "cart"}, 2},
		"another":            {signal.LogQuery{Service: "orders"}, 0},
		"a severity":         {signal.LogQuery{Severity: signal.SeverityInfo}, 2},
		"a higher one":       {signal.LogQuery{Severity: signal.SeverityWarn}, 0},
		"a text":             {signal.LogQuery{Text: "APPLE"}, 1},
		"a trace":            {signal.LogQuery{Trace: traceID(1)}, 2},
		"in an attribute":    {signal.LogQuery{Text: "K=v"}, 2},
		"another trace":      {signal.LogQuery{Trace: traceID(2)}, 0},
		"an attribute":       {signal.LogQuery{Match: []signal.Match{{Key: "k", Value: "v"}}}, 2},
		"a value":            {signal.LogQuery{Match: []signal.Match{{Key: "k", Value: "w"}}}, 0},
		"one that is absent": {signal.LogQuery{Match: []signal.Match{{Key: "x", Value: ""}}}, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			live := query.NewLive(nil)
			tail, err := live.Tail(c.query)
			if err != nil {
				t.Fatal(err)
			}
			defer tail.Close()
			live.Add(logs("an Apple", "a pear"))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			got, lost, err := tail.Next(ctx)
			if len(got) != c.want || lost != 0 || (err != nil) != (c.want == 0) {
				t.Errorf("%s: %v, %d lost, %v", name, got, lost, err)
			}
		})
	}
}

func TestWhoIsTooSlowLearnsHowMuchIsLost(t *testing.T) {
	live := query.NewLive(nil)
	slow, err := live.Tail(signal.LogQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for range 30 {
		live.Add(logs(strings.Split(strings.Repeat("x", 100), "")...))
	}
	got, lost, err := slow.Next(t.Context())
	if len(got) != 2000 || lost != 1000 || err != nil {
		t.Errorf("%d, %d lost, %v", len(got), lost, err)
	}
	live.Add(logs(strings.Repeat("x", 5<<20), strings.Repeat("y", 5<<20)))
	if got, lost, err := slow.Next(t.Context()); len(got) != 1 || lost != 1 || err != nil {
		t.Errorf("of two of 5 MiB: %d, %d lost, %v", len(got), lost, err)
	}
	slow.Close()
	live.Add(logs("x"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, _, err := slow.Next(ctx); err == nil {
		t.Errorf("after Close: %v", got)
	}
}

func TestReadersAreBounded(t *testing.T) {
	live := query.NewLive(nil)
	for i := range 300 {
		if _, err := live.Tail(signal.LogQuery{}); (err != nil) != (i >= 256) || err != nil && problem.CodeOf(err) != problem.ResourceExhausted {
			t.Fatal(i, err)
		}
	}
}

// event reads the next event of a stream.
func event(t *testing.T, lines *bufio.Scanner) (name, data string) {
	t.Helper()
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			name = value
		case "data":
			data = value
		case "":
			return name, data
		}
	}
	t.Fatal("the stream ended:", lines.Err())
	return "", ""
}

// open opens a stream, which ends with the test.
func open(t *testing.T, url string) *bufio.Scanner {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res.Status, res.Header)
	}
	return bufio.NewScanner(res.Body)
}

func TestLogsAreStreamed(t *testing.T) {
	live := query.NewLive(nil)
	a := query.New(query.Config{Store: &memory{}, Live: live})
	server := httptest.NewServer(a.Handler())
	t.Cleanup(server.Close)
	lines := open(t, server.URL+"/v1/telemetry/logs/stream?q=apple")
	live.Add(logs("an\nApple", "a pear"))
	name, data := event(t, lines)
	var l struct{ Body, Service, Severity string }
	if err := json.Unmarshal([]byte(data), &l); err != nil || name != "log" || l.Body != "an\nApple" || l.Severity != "info" {
		t.Errorf("%s %s %v", name, data, err)
	}
	live.Add(logs(strings.Split(strings.Repeat("apple ", 2500), " ")...))
	sum := 0
	for sum < 2500 {
		switch name, data := event(t, lines); name {
		case "log":
			sum++
		case "lost":
			n := 0
			_, _ = fmt.Sscan(data, &n)
			sum += n
		default:
			t.Fatal(name)
		}
	}
	if sum != 2500 {
		t.Errorf("%d records, sent or lost, of 2500", sum)
	}
}

func TestNewTracesAreTold(t *testing.T) {
	now := noon
	live, store := query.NewLive(func() time.Time { return now }), &memory{}
	a := query.New(query.Config{Store: store, Live: live, Now: at(noon)})
	add := func(n uint64) {
		b := signal.Batch{Spans: order(n, time.Minute, time.Second)}
		_ = store.Append(t.Context(), b)
		live.Add(b)
	}
	add(1)
	list, moment, err := a.Recent(t.Context(), 0)
	if len(list) != 0 || err != nil {
		t.Errorf("at once: %v %v", list, err)
	}
	now = now.Add(time.Second)
	add(2)
	if list, moment, err = a.Recent(t.Context(), moment); len(list) != 1 || list[0].Trace != traceID(1) || list[0].Spans != 3 || err != nil {
		t.Errorf("a second later: %v %v", list, err)
	}
	for n := range uint64(100) {
		add(3 + n)
	}
	now = now.Add(time.Second)
	if list, moment, err = a.Recent(t.Context(), moment); len(list) != 50 || list[0].Trace != traceID(102) || err != nil {
		t.Errorf("the latest fifty: %v %v", list, err)
	}
	if list, _, err = a.Recent(t.Context(), moment); len(list) != 0 || err != nil {
		t.Errorf("twice: %v %v", list, err)
	}
}

func TestTheStreamHasWhatWasChosen(t *testing.T) {
	a, _ := filled()
	server := httptest.NewServer(a.Stream())
	t.Cleanup(server.Close)
	lines := open(t, server.URL+"/v1/stream?events=health,map")
	if name, data := event(t, lines); name != "health" || !strings.Contains(data, "well") {
		t.Error(name, data)
	}
	name, data := event(t, lines)
	var m graph.Map
	if err := json.Unmarshal([]byte(data), &m); err != nil || name != "map" || len(m.Nodes) == 0 {
		t.Error(name, data, err)
	}
	if name, _ := event(t, open(t, server.URL+"/v1/stream")); name != "overview" {
		t.Error(name)
	}
	w := httptest.NewRecorder()
	a.Stream().ServeHTTP(w, httptest.NewRequest("GET", "/v1/stream?events=maps", nil))
	if w.Code != 400 || !strings.Contains(w.Body.String(), "parameter events:") {
		t.Error(w.Code, w.Body)
	}
}

func TestASpanKnowsWhoLinksToIt(t *testing.T) {
	live, store := query.NewLive(nil), &memory{}
	a := query.New(query.Config{Store: store, Live: live, Now: at(noon)})
	_ = store.Append(t.Context(), signal.Batch{Spans: order(1, time.Minute, time.Second)})
	for n := range uint64(25) {
		spans := order(n+2, time.Minute, time.Second)
		spans[0].Links = []signal.Link{{Trace: traceID(1), Span: spanID(2)}}
		live.Add(signal.Batch{Spans: spans})
		live.Add(signal.Batch{Spans: spans}) // again
	}
	trace := ask[struct {
		Tree []struct{ LinkedBy []query.Link }
	}](t, a, "traces/1")
	list := trace.Tree[1].LinkedBy
	if len(list) != 20 || list[0].Trace != traceID(26) || list[0].Span != spanID(1) || len(trace.Tree[0].LinkedBy) != 0 {
		t.Errorf("%+v", trace)
	}
}
