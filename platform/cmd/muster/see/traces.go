package see

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/query"
)

// arriving is how long after its begin a trace's spans may be on their way: a process sends
// them in batches, and not at the same time as the others.
const arriving = 10 * time.Second

// Traces writes traces as a table; parts adds how long the slowest of the spans took that
// were asked for.
func (s Screen) Traces(list []query.Summary, parts bool) error {
	rows := make([][]string, 0, len(list))
	for _, t := range list {
		name := clean(t.Service + ": " + t.Name)
		switch {
		case t.Rootless && time.Since(at(t.Start)) < arriving:
			name += " (still arriving)"
		case t.Rootless:
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
		row := []string{t.Trace.String(), clock(t.Start), diagnose.Took(t.Duration), strconv.Itoa(t.Spans), strconv.Itoa(t.Errors), name}
		if parts {
			row = slices.Insert(row, 2, diagnose.Took(t.Slowest))
		}
		rows = append(rows, row)
	}
	columns := []column{{title: "TRACE"}, {title: "BEGAN"}, {"TOOK", true}, {"SPANS", true}, {"ERRORS", true}, {title: "WHAT"}}
	if parts {
		columns = slices.Insert(columns, 2, column{"SLOWEST", true})
	}
	return s.table(columns, rows, func(i int) style {
		if list[i].Errors > 0 {
			return red
		}
		return plain
	})
}
