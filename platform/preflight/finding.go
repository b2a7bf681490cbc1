// Package preflight looks at what a fleet needs before anything of it is started: its
// files, ports and programs, and what this machine allows.
package preflight

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Status is how a check came out.
type Status string

// The outcomes of a check.
const (
	OK   Status = "ok"
	Warn Status = "warn" // works, but not as somebody may think
	Fail Status = "fail" // the fleet would not start
)

// Finding is the outcome of one check.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	Detail string `json:"detail"` // for people; may have several lines
}

func ok(check, format string, args ...any) Finding {
	return Finding{check, OK, fmt.Sprintf(format, args...)}
}

func warn(check, format string, args ...any) Finding {
	return Finding{check, Warn, fmt.Sprintf(format, args...)}
}

func fail(check, format string, args ...any) Finding {
	return Finding{check, Fail, fmt.Sprintf(format, args...)}
}

// WriteTable writes findings for people.
func WriteTable(out io.Writer, found []Finding) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, f := range found {
		// continuation lines of a fleet file with several mistakes stay in their column
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", f.Status, f.Check, strings.ReplaceAll(f.Detail, "\n", "\n\t\t"))
	}
	return w.Flush()
}
