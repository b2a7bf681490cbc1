package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// a span of no importance but its place.
func span(traceNo, id int, service string, start int64) signal.Span {
	return signal.Span{
		Trace: signal.TraceID{8: byte(traceNo >> 8), 9: byte(traceNo)}, ID: signal.SpanID{5: byte(id >> 16), 6: byte(id >> 8), 7: byte(id)},
		Service: service, Name: "work", Start: begin + start, Duration: 1000,
	}
}

func testEmpty(t *testing.T, s signal.Store) {
	keep(t, s, signal.Batch{})
	if n := len(spans(t, s, signal.SpanQuery{})) + len(logs(t, s, signal.LogQuery{})) + len(trace(t, s, signal.TraceID{1})); n > 0 {
		t.Errorf("an empty store has %d rows", n)
	}
	if u := s.Usage(); len(u) > 0 {
		t.Errorf("an empty store has a usage: %v", u)
	}
}

// whole has something in every field.
func whole() signal.Span {
	return signal.Span{
		Trace: signal.TraceID{1, 2, 3}, ID: signal.SpanID{4}, Parent: signal.SpanID{5}, Service: "orders", Name: "GET /v1/orders/{id}",
		Kind: signal.Server, Status: signal.Error, Message: "no such order", Start: begin, Duration: 5_000_000,
		Attributes: signal.Attributes{
			{Key: "http.route", Value: signal.StringValue("/v1/orders/{id}")},
			{Key: "http.response.status_code", Value: signal.IntValue(404)},
			{Key: "load", Value: signal.FloatValue(0.25)},
			{Key: "cached", Value: signal.BoolValue(true)},
			{Key: "tags", Value: signal.JSONValue(`["a","b"]`)},
			{Key: "http.route", Value: signal.StringValue("twice")},
		},
		Resource: signal.Attributes{{Key: "service.instance.id", Value: signal.StringValue("orders-1")}, {Key: "pid", Value: signal.IntValue(7)}},
		Scope:    "net/http", State: "ot=th:8", Remote: true,
		Events: []signal.Event{{Time: begin + 1, Name: "exception", Attributes: signal.Attributes{{Key: "n", Value: signal.IntValue(1)}}}},
		Links:  []signal.Link{{Trace: signal.TraceID{9}, Span: signal.SpanID{8}, Attributes: signal.Attributes{{Key: "l", Value: signal.StringValue("")}}}},
	}
}

func testWholeSpan(t *testing.T, s signal.Store) {
	want := whole()
	keep(t, s, signal.Batch{Spans: []signal.Span{want}})
	compare(t, "trace", trace(t, s, want.Trace), []signal.Span{want})
	for _, m := range []signal.Match{
		{Key: "http.route", Value: "/v1/orders/{id}"},
		{Key: "http.route", Value: "twice"},
		{Key: "http.response.status_code", Value: "404"},
		{Key: "load", Value: "0.25"},
		{Key: "cached", Value: "true"},
		{Key: "tags", Value: `["a","b"]`},
		{Key: "pid", Value: "7"},
		{Key: "service.instance.id", Value: "orders-1"},
		{Key: "service.name", Value: "orders"},
	} {
		compare(t, m, spans(t, s, signal.SpanQuery{Match: []signal.Match{m}}), []signal.Span{want})
	}
	for _, m := range []signal.Match{
		{Key: "http.route", Value: "twic"},
		{Key: "http.response.status_code", Value: "0404"},
		{Key: "load", Value: ".25"},
		{Key: "cached", Value: "1"},
		{Key: "http.method", Value: ""},
		{Key: "service.name", Value: "order"},
	} {
		compare(t, m, spans(t, s, signal.SpanQuery{Match: []signal.Match{m}}), nil)
	}
}

func testWholeLog(t *testing.T, s signal.Store) {
	want := signal.Log{
		Time: begin, Service: "orders", Severity: signal.SeverityWarn, Body: "Größe überschritten", Trace: signal.TraceID{1}, Span: signal.SpanID{2},
		Attributes: signal.Attributes{{Key: "order", Value: signal.IntValue(7)}}, Resource: signal.Attributes{{Key: "pid", Value: signal.IntValue(1)}}, Scope: "slog",
	}
	keep(t, s, signal.Batch{Logs: []signal.Log{want, {Time: begin + 1, Service: "orders", Severity: signal.SeverityInfo}}})
	for _, q := range []signal.LogQuery{
		{Text: "GRÖSSE"},
		{Text: "größe ÜBER"},
		{Severity: signal.SeverityWarn},
		{Trace: want.Trace},
		{Match: []signal.Match{{Key: "order", Value: "7"}}},
		{Window: signal.Window{Until: time.Unix(0, begin+1)}},
	} {
		if q.Text == "GRÖSSE" {
			compare(t, q, logs(t, s, q), nil) // one letter is not two
			continue
		}
		compare(t, q, logs(t, s, q), []signal.Log{want})
	}
}

func testDuplicates(t *testing.T, s signal.Store) {
	a, other := span(1, 1, "a", 0), span(1, 1, "b", 0)
	for range 3 {
		keep(t, s, signal.Batch{Spans: []signal.Span{a, other, a}})
	}
	compare(t, "trace", trace(t, s, a.Trace), []signal.Span{a, other})
	compare(t, "spans", spans(t, s, signal.SpanQuery{}), []signal.Span{a, other})
}

func testOrder(t *testing.T, s signal.Store) {
	const n = 5000
	for at := 0; at < n; at += 500 {
		var b signal.Batch
		for i := at; i < at+500; i++ {
			service := fmt.Sprintf("s%d", i%3)
			b.Spans = append(b.Spans, span(i%7+1, i, service, int64(i*7919%n)))
			b.Logs = append(b.Logs, signal.Log{Time: begin + int64(i*7919%n), Service: service, Body: "x"})
		}
		keep(t, s, b)
	}
	for _, service := range []string{"s0", "s1", "s2"} {
		found := spans(t, s, signal.SpanQuery{Service: service, Window: signal.Window{From: time.Unix(0, begin+1000)}})
		if !slices.IsSortedFunc(found, func(a, b signal.Span) int { return int(b.Start - a.Start) }) {
			t.Errorf("the spans of %s do not come in their order", service)
		}
	}
	first := trace(t, s, span(3, 0, "", 0).Trace)
	if len(first) != n/7 && len(first) != n/7+1 || !slices.IsSortedFunc(first, func(a, b signal.Span) int { return int(a.Start - b.Start) }) {
		t.Errorf("a trace has %d spans, or not in their order", len(first))
	}
	found := 0
	for _, err := range s.Logs(context.Background(), signal.LogQuery{}) {
		if found++; err != nil || found == 10 {
			break
		}
	}
	if found != 10 {
		t.Errorf("found %d records before stopping at 10", found)
	}
}

func testLarge(t *testing.T, s signal.Store) {
	large := span(1, 1, "a", 0)
	large.Attributes = signal.Attributes{{Key: "body", Value: signal.StringValue(strings.Repeat("0123456789abcdef", 1<<16))}}
	small := span(1, 2, "a", 1)
	keep(t, s, signal.Batch{Spans: []signal.Span{large, small}})
	compare(t, "trace", trace(t, s, large.Trace), []signal.Span{large, small})
	compare(t, "match", spans(t, s, signal.SpanQuery{Match: []signal.Match{{Key: "body", Value: large.Attributes[0].Value.Text}}}), []signal.Span{large})
}

func testStrange(t *testing.T, s signal.Store) {
	list := []signal.Span{span(1, 1, "../../etc", 0), span(1, 2, "a\x00b", -begin), span(1, 3, strings.Repeat("n", 1<<12), 0), {Trace: signal.TraceID{8: 0, 9: 1}, ID: signal.SpanID{4}, Service: "CON"}}
	list[0].Name, list[1].Duration = "\xff\xfe", 1<<62
	keep(t, s, signal.Batch{Spans: list})
	compare(t, "trace", trace(t, s, list[0].Trace), list)
	keep(t, s, signal.Batch{Spans: []signal.Span{{Trace: signal.TraceID{7}, ID: signal.SpanID{1}}}})
	if got := trace(t, s, signal.TraceID{7}); len(got) != 1 || got[0].Service != "unknown_service" {
		t.Errorf("a span without a service is kept as %+v", got)
	}
}

func testManyKeys(t *testing.T, s signal.Store) {
	var list []signal.Span
	for i := range 1500 {
		sp := span(1, i, "a", int64(i))
		sp.Attributes = signal.Attributes{{Key: fmt.Sprintf("key-%d", i), Value: signal.IntValue(int64(i))}, {Key: "common", Value: signal.StringValue("x")}}
		list = append(list, sp)
	}
	keep(t, s, signal.Batch{Spans: list})
	compare(t, "trace", trace(t, s, list[0].Trace), list)
	for _, i := range []int{0, 700, 1499} {
		compare(t, i, spans(t, s, signal.SpanQuery{Match: []signal.Match{{Key: fmt.Sprintf("key-%d", i), Value: fmt.Sprint(i)}}}), list[i:i+1])
	}
}

func testCanceled(t *testing.T, s signal.Store) {
	keep(t, s, signal.Batch{Spans: []signal.Span{span(1, 1, "a", 0)}})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Append(ctx, signal.Batch{Spans: []signal.Span{span(1, 2, "a", 0)}}); !errors.Is(err, context.Canceled) {
		t.Errorf("append after the end: %v", err)
	}
	if _, err := s.Trace(ctx, span(1, 1, "a", 0).Trace); !errors.Is(err, context.Canceled) {
		t.Errorf("trace after the end: %v", err)
	}
}

func testConcurrent(t *testing.T, s signal.Store) {
	const writers, batches, rows = 4, 20, 50
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range batches {
				var b signal.Batch
				for k := range rows {
					b.Spans = append(b.Spans, span(w+1, i*rows+k, fmt.Sprintf("s%d", w%2), int64(i*rows+k)))
				}
				if err := s.Append(context.Background(), b); err != nil {
					t.Errorf("append: %v", err)
				}
				// What was appended is found at once, and whole.
				if got, err := s.Trace(context.Background(), b.Spans[0].Trace); err != nil || len(got) != (i+1)*rows {
					t.Errorf("after %d spans a trace has %d (%v)", (i+1)*rows, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func testUsage(t *testing.T, s signal.Store) {
	keep(t, s, signal.Batch{Spans: []signal.Span{span(1, 1, "b", 5), span(1, 2, "a", 3), span(1, 3, "a", 9)}, Logs: []signal.Log{{Time: begin, Service: "b"}}})
	u := s.Usage()
	if len(u) != 2 || u[0].Service != "a" || u[0].Spans != 2 || u[0].Logs != 0 || u[1].Spans != 1 || u[1].Logs != 1 {
		t.Fatalf("usage: %+v", u)
	}
	if u[0].Bytes <= 0 || u[0].Oldest.UnixNano() != begin+3 || u[1].Oldest.UnixNano() != begin {
		t.Errorf("usage: %+v", u)
	}
}

func testAgain(t *testing.T, open func(*testing.T, string) (signal.Store, func())) {
	dir := t.TempDir()
	var all []signal.Span
	for round := range 5 {
		s, closed := open(t, dir)
		compare(t, round, trace(t, s, span(1, 0, "", 0).Trace), all)
		for i := range 10 {
			sp := span(1, round*10+i, "a", int64(round*10+i))
			keep(t, s, signal.Batch{Spans: []signal.Span{sp}})
			all = append(all, sp)
		}
		closed()
	}
}
