package see

import (
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// Why writes why a trace took as long as it did: the answer in words and, below it, where
// all of its time went.
func (s Screen) Why(w query.Why) error {
	for _, line := range wrap(clean(w.Sentence), s.Width) {
		if err := s.print("%s\n", s.paint(bold, line)); err != nil {
			return err
		}
	}
	if len(w.Causes) == 0 {
		return nil
	}
	if err := s.print("\n"); err != nil {
		return err
	}
	number := func(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
	rows := make([][]string, 0, len(w.Causes))
	for _, c := range w.Causes {
		usual, usually := diagnose.Took(c.Usual), number(c.Usually)
		if !w.Enough {
			usual, usually = "-", "-"
		}
		where := c.Service + ": " + c.Name
		if c.Kind != "" && c.Kind != "server" && c.Kind != "internal" {
			where += " (" + c.Kind + ")"
		}
		if c.Detail != "" && !strings.Contains(c.Name, c.Detail) {
			where += " " + c.Detail
		}
		rows = append(rows, []string{
			diagnose.Took(c.Critical), usual, strconv.Itoa(c.Spans), usually, strconv.Itoa(c.Errors), clean(where),
		})
	}
	columns := []column{{"TOOK", true}, {"USUALLY", true}, {"SPANS", true}, {"USUALLY", true}, {"ERRORS", true}, {title: "WHERE"}}
	return s.table(columns, rows, func(i int) style {
		switch {
		case w.Causes[i].Errors > 0:
			return red
		case i == 0:
			return yellow
		}
		return plain
	})
}
