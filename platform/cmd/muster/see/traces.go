package see

import (
	"strconv"
	"strings"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// Traces writes traces as a table.
func (s Screen) Traces(list []query.Summary) error {
	rows := make([][]string, 0, len(list))
	for _, t := range list {
		name := clean(t.Service + ": " + t.Name)
		if t.Rootless {
			name += " (its beginning is missing)"
		}
		var services []string
		for _, p := range t.Services {
			if p.Name != t.Service {
				services = append(services, clean(p.Name))
			}
		}
		if len(services) > 0 {
			name += " + " + strings.Join(services, " ")
		}
		rows = append(rows, []string{
			t.Trace.String(), clock(t.Start), diagnose.Took(t.Duration), strconv.Itoa(t.Spans), strconv.Itoa(t.Errors), name,
		})
	}
	columns := []column{{title: "TRACE"}, {title: "BEGAN"}, {"TOOK", true}, {"SPANS", true}, {"ERRORS", true}, {title: "WHAT"}}
	return s.table(columns, rows, func(i int) style {
		if list[i].Errors > 0 {
			return red
		}
		return plain
	})
}
