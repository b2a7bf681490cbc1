package see

import (
	"cmp"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/query"
)

// Log writes a log record on a line. trace says whether its trace is told.
func (s Screen) Log(l query.Log, trace bool) error {
	var b strings.Builder
	b.WriteString(s.paint(dim, clock(l.Time)) + " " + pad(clean(cmp.Or(l.Instance, l.Service)), 14, false) + " " + s.record(l))
	if trace && !l.Trace.IsZero() {
		b.WriteString(s.paint(dim, " trace="+l.Trace.String()))
	}
	return s.print("%s\n", b.String())
}

// record is a record's severity, text and attributes.
func (s Screen) record(l query.Log) string {
	text := strings.TrimRight(clean(l.Body), " ")
	if l.Severity != "" {
		look := plain
		switch l.Severity {
		case "error", "fatal":
			look = red
		case "warn":
			look = yellow
		}
		text = s.paint(look, pad(strings.ToUpper(l.Severity), 5, false)) + " " + text
	}
	for _, a := range l.Attributes {
		value := clean(a.Value.String())
		if value == "" || strings.ContainsAny(value, ` "`) {
			value = `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
		}
		text += s.paint(dim, " "+clean(a.Key)+"="+value)
	}
	return text
}
