package see_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// noon is when the test's traces begin, in the zone of whoever runs it.
var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.Local)

func id(n byte) signal.SpanID { return signal.SpanID{7: n} }

// span is a span whose figures are milliseconds after noon.
func span(n byte, depth int, service, kind, name string, from, long, own float64) query.Span {
	return query.Span{ID: id(n), Depth: depth, Service: service, Kind: kind, Name: name, Start: float64(noon.UnixMilli()) + from, Duration: long, Own: own}
}

func piece(n byte, from, until float64) query.Piece {
	begin := float64(noon.UnixMilli())
	return query.Piece{Span: id(n), From: begin + from, Until: begin + until}
}

func order() query.Trace {
	t := query.Trace{Summary: query.Summary{
		Trace: signal.TraceID{0: 0x4b, 15: 1}, Service: "edge", Name: "POST /v1/orders", Start: float64(noon.UnixMilli()), Duration: 50, Total: 90, Spans: 6, Errors: 1,
		Services: []query.Part{{Name: "orders", Spans: 3}, {Name: "edge", Spans: 2}, {Name: "notify", Spans: 1, Errors: 1}},
	}}
	t.Tree = []query.Span{
		span(1, 0, "edge", "server", "POST /v1/orders", 0, 50, 2),
		span(2, 1, "edge", "client", "POST", 1, 48, 2),
		span(3, 2, "orders", "server", "POST /v1/orders", 2, 46, 5),
		span(4, 3, "orders", "client", "lookup", 4, 40, 40),
		span(5, 3, "orders", "producer", "publish orders.placed", 45, 1, 1),
		span(6, 4, "notify", "consumer", "process orders.placed", 50, 40, 40),
	}
	t.Tree[5].Error, t.Tree[5].Message = true, "no\x1b[31m mail\nserver"
	t.Critical = []query.Piece{piece(1, 0, 1), piece(2, 1, 2), piece(3, 2, 4), piece(4, 4, 44), piece(3, 44, 45), piece(5, 45, 46), piece(3, 46, 48), piece(2, 48, 49), piece(1, 49, 50)}
	return t
}

func drawn(t *testing.T, s see.Screen, draw func(see.Screen) error) string {
	t.Helper()
	var b bytes.Buffer
	s.Out = &b
	if err := draw(s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestTrace(t *testing.T) {
	records := []query.Log{
		{Time: float64(noon.UnixMilli()) + 60, Service: "notify", Severity: "error", Body: "it's no\tuse", Span: id(6), Attributes: signal.Attributes{{Key: "to", Value: signal.StringValue("a b")}}},
		{Time: float64(noon.UnixMilli()) + 70, Service: "card", Instance: "card-1", Body: "elsewhere", Span: id(9)},
	}
	got := drawn(t, see.Screen{Width: 100}, func(s see.Screen) error { return s.Trace(order(), records, 100) })
	want := `edge: POST /v1/orders  trace 4b000000000000000000000000000001
began 12:00:00.000 2026-09-01, took 50 ms, 90 ms with the work behind the answer; 6 spans of 3 services, 1 of them failed

SPAN                                          OWN     TOOK  ━ on the critical path  ─ not
edge: POST /v1/orders                  *     2 ms    50 ms  ━────────────────────━
└ edge → POST                          *     2 ms    48 ms  ━────────────────────━
  └ orders: POST /v1/orders            *     5 ms    46 ms  ━━─────────────────━━
    ├ orders → lookup                  *    40 ms    40 ms   ━━━━━━━━━━━━━━━━━━━
    └ orders ⇢ publish orders.placed   *     1 ms     1 ms                      ━
      └ notify ⇠ process orders.placed      40 ms    40 ms                        ──────────────────
          ! no [31m mail server
          12:00:00.060 ERROR it's no use to="a b"

logged outside of these spans
12:00:00.070 card-1         elsewhere
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNarrowTrace(t *testing.T) {
	tr := order()
	tr.Rootless, tr.Skewed = true, true
	tr.Tree[0].Missing = true
	got := drawn(t, see.Screen{Width: 50}, func(s see.Screen) error { return s.Trace(tr, nil, 5) })
	want := `edge: POST /v1/orders  trace 4b000000000000000000000000000001
began 12:00:00.000 2026-09-01, took 50 ms, 90 ms with the work behind the answer; 6 spans of 3 services, 1 of them failed
its beginning is missing: it is not here yet, was not sampled, or its sender has no telemetry
the clocks of its processes differ: some spans were moved into their parents

SPAN                                OWN     TOOK
edge: POST /v1/orders (its … *     2 ms    50 ms
└ edge → POST                *     2 ms    48 ms
  └ orders: POST /v1/orders  *     5 ms    46 ms
    ├ orders → lookup        *    40 ms    40 ms
    └ orders ⇢ publish orde… *     1 ms     1 ms
… 1 span more: --limit 6 shows all
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestColours(t *testing.T) {
	got := drawn(t, see.Screen{Width: 100, Colour: true}, func(s see.Screen) error { return s.Trace(order(), nil, 100) })
	for _, part := range []string{"\x1b[1medge: POST /v1/orders\x1b[0m", "\x1b[33m*\x1b[0m", "\x1b[31mnotify ⇠ process orders.placed\x1b[0m"} {
		if !strings.Contains(got, part) {
			t.Errorf("no %q in\n%s", part, got)
		}
	}
	if strings.Count(got, "\x1b") != 2*strings.Count(got, "\x1b[0m") {
		t.Errorf("what a span's sender wrote came through:\n%q", got)
	}
}

// A trace of a thousand levels is still a tree that fits.
func TestDeepTrace(t *testing.T) {
	tr := query.Trace{Summary: query.Summary{Service: "x", Name: "y", Duration: 1}}
	for i := range 1000 {
		s := span(byte(i), i, "x", "internal", "y", 0, 1, 0)
		s.ID[0] = byte(i >> 8)
		tr.Tree = append(tr.Tree, s)
	}
	got := drawn(t, see.Screen{Width: 80}, func(s see.Screen) error { return s.Trace(tr, nil, 2000) })
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if last := lines[len(lines)-1]; !strings.Contains(last, "+985 x: y") {
		t.Errorf("%q", last)
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > 80 {
			t.Errorf("too wide: %q", l)
		}
	}
}

// A trace without time has bars, too.
func TestInstant(t *testing.T) {
	tr := query.Trace{Tree: []query.Span{span(1, 0, "x", "", "y", 0, 0, 0)}}
	if got := drawn(t, see.Screen{Width: 80}, func(s see.Screen) error { return s.Trace(tr, nil, 9) }); !strings.Contains(got, "──") {
		t.Error(got)
	}
}
