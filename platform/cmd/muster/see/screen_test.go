package see_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/musterdev/muster/platform/cmd/muster/see"
	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

func TestTraces(t *testing.T) {
	one := order().Summary
	two := query.Summary{Trace: signal.TraceID{15: 2}, Service: "x\x1b[2J", Name: "y", Start: one.Start, Duration: 4210, Spans: 1, Rootless: true, Services: []query.Part{{Name: "x"}}}
	got := drawn(t, see.Screen{Width: 100}, func(s see.Screen) error { return s.Traces([]query.Summary{one, two}, false) })
	want := `TRACE                             BEGAN           TOOK  SPANS  ERRORS  WHAT
4b000000000000000000000000000001  12:00:00.000   50 ms      6       1  edge: POST /v1/orders + orde…
00000000000000000000000000000002  12:00:00.000  4.21 s      1       0  x [2J: y (its beginning is m…
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if got := drawn(t, see.Screen{Width: 60, Colour: true}, func(s see.Screen) error { return s.Traces([]query.Summary{one}, false) }); !strings.Contains(got, "\x1b[31m4b0") {
		t.Errorf("%q", got)
	}
}

func TestLog(t *testing.T) {
	l := query.Log{Time: order().Start, Service: "x", Severity: "warn", Body: "a\nb ", Trace: signal.TraceID{1}, Attributes: signal.Attributes{
		{Key: "n", Value: signal.IntValue(3)}, {Key: "e", Value: signal.StringValue("")}, {Key: "q", Value: signal.StringValue(`"`)},
	}}
	for trace, want := range map[bool]string{
		true:  "12:00:00.000 x              WARN  a b n=3 e=\"\" q=\"\\\"\" trace=01000000000000000000000000000000\n",
		false: "12:00:00.000 x              WARN  a b n=3 e=\"\" q=\"\\\"\"\n",
	} {
		if got := drawn(t, see.Screen{Width: 100}, func(s see.Screen) error { return s.Log(l, trace) }); got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
}

func TestWhy(t *testing.T) {
	w := query.Why{Sentence: "4.2 s of 4.6 s were spent in card: POST /v1/charges, which usually takes 12 ms.", Enough: true, Causes: []diagnose.Cause{
		{Service: "card", Name: "POST /v1/charges", Kind: "server", Spans: 1, Critical: 4200, Usual: 12, Usually: 1},
		{Service: "orders", Name: "SELECT", Kind: "client", Spans: 9, Critical: 300, Usual: 0.4, Usually: 1.5, Errors: 1, Detail: "SELECT x FROM orders WHERE customer = $1 ORDER BY placed DESC LIMIT 10"},
	}}
	got := drawn(t, see.Screen{Width: 80}, func(s see.Screen) error { return s.Why(w) })
	want := `4.2 s of 4.6 s were spent in card: POST /v1/charges, which usually takes 12 ms.

  TOOK  USUALLY  SPANS  USUALLY  ERRORS  WHERE
 4.2 s    12 ms      1        1       0  card: POST /v1/charges
300 ms   400 µs      9      1.5       1  orders: SELECT (client) SELECT x FROM …
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	w.Enough = false
	if got := drawn(t, see.Screen{Width: 40}, func(s see.Screen) error { return s.Why(w) }); !strings.Contains(got, " 4.2 s        -      1        -") {
		t.Error(got)
	}
	if got := drawn(t, see.Screen{Width: 40}, func(s see.Screen) error { return s.Why(query.Why{Sentence: "Nothing."}) }); got != "Nothing.\n" {
		t.Error(got)
	}
}

func TestNewScreen(t *testing.T) {
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	env := func(columns string) func(string) string {
		return func(name string) string { return map[string]string{"COLUMNS": columns}[name] }
	}
	for columns, want := range map[string]int{"": 100, "77": 77, "3": 40, "x": 100, "-1": 100} {
		for _, f := range []*os.File{nil, file} {
			if s := see.NewScreen(nil, f, env(columns)); s.Width != want || s.Colour {
				t.Errorf("COLUMNS=%s: %+v", columns, s)
			}
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, os.ErrInvalid }

func TestErrorsOfTheScreenAreReported(t *testing.T) {
	s := see.Screen{Out: full{}, Width: 80}
	for name, err := range map[string]error{
		"trace": s.Trace(order(), nil, 9), "traces": s.Traces(nil, false), "why": s.Why(query.Why{Sentence: "x"}), "log": s.Log(query.Log{}, true),
	} {
		if !errors.Is(err, os.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A terminal has colours unless somebody wants none, and a width even when it knows none.
func TestTerminal(t *testing.T) {
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("this machine has no /dev/ptmx")
	}
	defer func() { _ = file.Close() }()
	for variable, want := range map[string]bool{"": true, "NO_COLOR": false, "TERM": false} {
		env := func(name string) string {
			if name == variable {
				return "dumb"
			}
			return ""
		}
		if s := see.NewScreen(nil, file, env); s.Colour != want || s.Width != 100 {
			t.Errorf("%s=dumb: %+v", variable, s)
		}
	}
}
