package storetest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterdev/muster/platform/telemetry/signal"
)

// model keeps all in a slice.
type model struct {
	spans []signal.Span
	logs  []signal.Log
}

func has(as, resource signal.Attributes, service string, matches []signal.Match) bool {
	for _, m := range matches {
		is := func(a signal.Attribute) bool { return a.Key == m.Key && a.Value.String() == m.Value }
		if !slices.ContainsFunc(as, is) && !slices.ContainsFunc(resource, is) && (m.Key != "service.name" || m.Value != service) {
			return false
		}
	}
	return true
}

func wanted(s *signal.Span, q *signal.SpanQuery) bool {
	return q.Contains(s.Start) && (q.Service == "" || q.Service == s.Service) && (q.Name == "" || q.Name == s.Name) &&
		(len(q.Kinds) == 0 || slices.Contains(q.Kinds, s.Kind)) && (!q.Roots || s.Parent.IsZero()) &&
		(!q.Error || s.Status == signal.Error) && s.Duration >= int64(q.Min) && (q.Max == 0 || s.Duration <= int64(q.Max)) &&
		has(s.Attributes, s.Resource, s.Service, q.Match)
}

func wantedLog(l *signal.Log, q *signal.LogQuery) bool {
	return q.Contains(l.Time) && (q.Service == "" || q.Service == l.Service) && l.Severity >= q.Severity &&
		l.Says(strings.ToLower(q.Text)) && (q.Trace.IsZero() || q.Trace == l.Trace) &&
		has(l.Attributes, l.Resource, l.Service, q.Match)
}

// written tells everything about a span or record in a line, to compare by.
func written(v any) string { return fmt.Sprintf("%+v", v) }

func lines[T any](list []T) []string {
	out := make([]string, len(list))
	for i := range list {
		out[i] = written(list[i])
	}
	slices.Sort(out)
	return out
}

var (
	services = []string{"orders", "stock", "ein Dienst", "s" + strings.Repeat("x", 300)}
	keys     = []string{"http.route", "user.id", "k", "", "retries", "ü"}
	words    = []string{"", "a", "GET /v1/orders", "Ünïcode", "true", "1", "-7", "1.5", "NaN", "\x00\xff", strings.Repeat("long ", 100)}
)

func drawValue(t *rapid.T) signal.Value {
	switch rapid.IntRange(0, 5).Draw(t, "type") {
	case 0:
		return signal.IntValue(rapid.SampledFrom([]int64{0, 1, -7, math.MaxInt64, math.MinInt64}).Draw(t, "int"))
	case 1:
		return signal.FloatValue(rapid.SampledFrom([]float64{0, 1.5, -1e300, math.Inf(1), 1}).Draw(t, "float"))
	case 2:
		return signal.BoolValue(rapid.Bool().Draw(t, "bool"))
	case 3:
		return signal.JSONValue(rapid.SampledFrom([]string{"[1,2]", `{"a":null}`}).Draw(t, "json"))
	case 4:
		return signal.StringValue(fmt.Sprintf("user-%d", rapid.IntRange(0, 1<<20).Draw(t, "user")))
	}
	return signal.StringValue(rapid.SampledFrom(words).Draw(t, "word"))
}

func drawAttributes(t *rapid.T) (as signal.Attributes) {
	for range rapid.IntRange(0, 4).Draw(t, "attributes") {
		as = append(as, signal.Attribute{Key: rapid.SampledFrom(keys).Draw(t, "key"), Value: drawValue(t)})
	}
	return as
}

func drawTrace(t *rapid.T) signal.TraceID {
	return signal.TraceID{15: byte(rapid.IntRange(1, 20).Draw(t, "trace")), 3: byte(rapid.IntRange(0, 1).Draw(t, "half"))}
}

// begin is about when everything in the model happens.
const begin = 1_700_000_000_000_000_000

func drawTime(t *rapid.T) int64 {
	return begin + rapid.Int64Range(-1000, 1000).Draw(t, "time")*1_000_003
}

func drawSpan(t *rapid.T, n int) signal.Span {
	s := signal.Span{
		Trace: drawTrace(t), ID: signal.SpanID{0: byte(n >> 16), 1: byte(n >> 8), 2: byte(n)}, Service: rapid.SampledFrom(services).Draw(t, "service"),
		Name: rapid.SampledFrom(words).Draw(t, "name"), Kind: signal.Kind(rapid.IntRange(0, 5).Draw(t, "kind")),
		Status: signal.Status(rapid.IntRange(0, 2).Draw(t, "status")), Start: drawTime(t), Duration: rapid.Int64Range(0, 1<<40).Draw(t, "duration"),
		Attributes: drawAttributes(t), Resource: drawAttributes(t), Scope: rapid.SampledFrom(words).Draw(t, "scope"),
		Remote: rapid.Bool().Draw(t, "remote"),
	}
	if rapid.IntRange(0, 3).Draw(t, "more") == 0 {
		s.Message, s.State = rapid.SampledFrom(words).Draw(t, "message"), "ot=th:8"
		s.Events = []signal.Event{{Time: s.Start + 1, Name: "exception", Attributes: drawAttributes(t)}, {Time: s.Start}}
		s.Links = []signal.Link{{Trace: drawTrace(t), Span: signal.SpanID{1}, Attributes: drawAttributes(t)}}
	}
	if rapid.Bool().Draw(t, "child") && n > 0 {
		p := rapid.IntRange(0, n+3).Draw(t, "parent")
		s.Parent = signal.SpanID{0: byte(p >> 16), 1: byte(p >> 8), 2: byte(p), 7: byte(rapid.IntRange(0, 1).Draw(t, "foreign"))}
	}
	return s
}

func drawLog(t *rapid.T) signal.Log {
	return signal.Log{
		Time: drawTime(t), Service: rapid.SampledFrom(services).Draw(t, "service"), Severity: signal.Severity(rapid.IntRange(0, 24).Draw(t, "severity")),
		Body: rapid.SampledFrom(words).Draw(t, "body"), Trace: drawTrace(t), Attributes: drawAttributes(t), Resource: drawAttributes(t),
		Scope: rapid.SampledFrom(words).Draw(t, "scope"),
	}
}

func drawMatch(t *rapid.T) (ms []signal.Match) {
	for range max(0, rapid.IntRange(-1, 2).Draw(t, "matches")) {
		ms = append(ms, signal.Match{Key: rapid.SampledFrom(append(keys, "service.name", "none")).Draw(t, "key"), Value: drawValue(t).String()})
		if ms[len(ms)-1].Key == "service.name" {
			ms[len(ms)-1].Value = rapid.SampledFrom(services).Draw(t, "value")
		}
	}
	return ms
}

func drawWindow(t *rapid.T) (w signal.Window) {
	if rapid.Bool().Draw(t, "from") {
		w.From = time.Unix(0, drawTime(t))
	}
	if rapid.Bool().Draw(t, "until") {
		w.Until = time.Unix(0, drawTime(t))
	}
	return w
}

func drawSpanQuery(t *rapid.T) signal.SpanQuery {
	q := signal.SpanQuery{
		Window: drawWindow(t), Match: drawMatch(t), Roots: rapid.IntRange(0, 4).Draw(t, "roots") == 0, Error: rapid.IntRange(0, 3).Draw(t, "error") == 0,
		Service: rapid.SampledFrom(append(services, "", "", "", "none")).Draw(t, "service"), Name: rapid.SampledFrom(append(words, "", "", "", "")).Draw(t, "name"),
	}
	if rapid.Bool().Draw(t, "durations") {
		q.Min, q.Max = time.Duration(rapid.Int64Range(0, 1<<39).Draw(t, "min")), time.Duration(rapid.Int64Range(0, 1<<40).Draw(t, "max"))
	}
	if rapid.Bool().Draw(t, "kinds") {
		q.Kinds = []signal.Kind{signal.Kind(rapid.IntRange(0, 5).Draw(t, "kind")), signal.Server}
	}
	return q
}

func drawLogQuery(t *rapid.T) signal.LogQuery {
	q := signal.LogQuery{
		Window: drawWindow(t), Match: drawMatch(t), Severity: signal.Severity(max(0, rapid.IntRange(-10, 24).Draw(t, "severity"))),
		Service: rapid.SampledFrom(append(services, "", "", "")).Draw(t, "service"), Text: rapid.SampledFrom([]string{"", "", "v1/ORDERS", "ünï", "x", "LONG", "retries=", "ID=user", "=1.5", "=tru", "-7"}).Draw(t, "text"),
	}
	if rapid.IntRange(0, 3).Draw(t, "of a trace") == 0 {
		q.Trace = drawTrace(t)
	}
	return q
}

// check compares what is found with the model.
func (m *model) check(t *rapid.T, s signal.Store) {
	q := drawSpanQuery(t)
	var want []signal.Span
	for i := range m.spans {
		if wanted(&m.spans[i], &q) {
			want = append(want, m.spans[i])
		}
	}
	compare(t, q, spans(t, s, q), want)
	q.Bare = true
	for i := range want {
		want[i].Attributes, want[i].Resource, want[i].Events, want[i].Links = nil, nil, nil, nil
	}
	compare(t, q, spans(t, s, q), want)
	id := drawTrace(t)
	compare(t, id, trace(t, s, id), slices.DeleteFunc(slices.Clone(m.spans), func(s signal.Span) bool { return s.Trace != id }))
	lq := drawLogQuery(t)
	compare(t, lq, logs(t, s, lq), slices.DeleteFunc(slices.Clone(m.logs), func(l signal.Log) bool { return !wantedLog(&l, &lq) }))
}

type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

func compare[T any](t fataler, about any, got, want []T) {
	t.Helper()
	g, w := lines(got), lines(want)
	if slices.Equal(g, w) {
		return
	}
	missing := slices.DeleteFunc(slices.Clone(w), func(s string) bool { return slices.Contains(g, s) })
	extra := slices.DeleteFunc(slices.Clone(g), func(s string) bool { return slices.Contains(w, s) })
	t.Fatalf("%+v: found %d, want %d\nmissing: %s\nextra: %s", about, len(g), len(w), strings.Join(missing, "\n"), strings.Join(extra, "\n"))
}

// testModel does things at random; now and then the store is opened again.
func testModel(t *testing.T, open func(*testing.T, string) (signal.Store, func())) {
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		s, closed := open(t, dir)
		defer func() { closed() }()
		var m model
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			var b signal.Batch
			for range rapid.IntRange(0, 30).Draw(rt, "spans") {
				b.Spans = append(b.Spans, drawSpan(rt, len(m.spans)+len(b.Spans)))
			}
			for range rapid.IntRange(0, 10).Draw(rt, "logs") {
				b.Logs = append(b.Logs, drawLog(rt))
			}
			keep(t, s, b)
			m.spans, m.logs = append(m.spans, b.Spans...), append(m.logs, b.Logs...)
			if rapid.IntRange(0, 5).Draw(rt, "again") == 0 {
				closed()
				s, closed = open(t, dir)
			}
			m.check(rt, s)
		}
	})
}
