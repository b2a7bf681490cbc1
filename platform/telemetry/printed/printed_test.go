package printed_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/telemetry/printed"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

var at = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func ExampleParse() {
	l := printed.Parse(`{"level":"warn","msg":"no stock","product":"p-1"}`, "inventory", time.Unix(0, 0))
	fmt.Println(l.Service, l.Severity, l.Body, l.Attributes.Text("product"))
	// Output: inventory warn no stock p-1
}

func TestParse(t *testing.T) {
	const trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	ids := fmt.Sprintf(`"trace_id":%q,"span_id":%q`, trace, span)
	for name, c := range map[string]struct {
		line string
		want string // severity, body, seconds after at, trace and number of attributes
	}{
		"slog":          {`{"time":"2026-11-23T12:00:01Z","level":"INFO","msg":"serving","http":"x",` + ids + `}`, "info|serving|1|" + trace + "|1"},
		"slog between":  {`{"level":"ERROR+2","msg":"m"}`, "error|m|0||0"},
		"slog below":    {`{"level":"INFO-2","msg":"m"}`, "info|m|0||0"},
		"zap":           {`{"level":"error","ts":1795435202.5,"msg":"m","caller":"a.go:1"}`, "error|m|2|" + "|1"},
		"pino":          {`{"level":50,"time":1795435203000,"msg":"m","pid":7}`, "error|m|3||1"},
		"elastic":       {`{"@timestamp":"2026-11-23T12:00:04Z","log.level":"warn","message":"m","trace.id":"` + trace + `"}`, "warn|m|4|" + trace + "|0"},
		"far time":      {`{"time":"2001-01-01T00:00:00Z","msg":"m"}`, "|m|0||0"},
		"bad id":        {`{"msg":"m","trace_id":"zz"}`, "|m|0||1"},
		"text":          {"panic: boom", "|panic: boom|0||0"},
		"object":        {`{"a":1}`, `|{"a":1}|0||0`},
		"broken object": {`{"msg":`, `|{"msg":|0||0`},
		"number body":   {`{"msg":7}`, "|7|0||0"},
		"empty":         {"", "||0||0"},
	} {
		t.Run(name, func(t *testing.T) {
			l := printed.Parse(c.line, "s", at)
			id := ""
			if !l.Trace.IsZero() {
				id = l.Trace.String()
			}
			got := fmt.Sprintf("%s|%s|%d|%s|%d", l.Severity, l.Body, (l.Time-at.UnixNano())/1e9, id, len(l.Attributes))
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// Whatever is printed is a record whose text can be shown.
func FuzzParse(f *testing.F) {
	f.Add(`{"time":"2026-11-23T12:00:01Z","level":"INFO","msg":"serving","a":[1,{"b":null}],"n":1e400}`)
	f.Add("\xff{")
	f.Add(`{"msg":"x","level":60,"ts":1e308}`)
	f.Fuzz(func(t *testing.T, line string) {
		l := printed.Parse(line, "s", at)
		if !utf8.ValidString(l.Body) {
			t.Errorf("body %q", l.Body)
		}
		if d := signal.Time(l.Time).Sub(at).Abs(); d > 10*time.Minute {
			t.Errorf("%s off", d)
		}
		if _, err := json.Marshal(l.Attributes); err != nil {
			t.Error(err)
		}
	})
}
