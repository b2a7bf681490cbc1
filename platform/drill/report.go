// Package drill breaks something on purpose in a running fleet, measures what its
// users see, and says whether each target held. A drill knows a fleet only by the
// small interfaces here, so that it runs against any.
package drill

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Row is one target of a drill: what was to be seen, what was, and whether it held.
type Row struct {
	What     string `json:"what"`
	Target   string `json:"target"`
	Measured string `json:"measured"`
	Held     bool   `json:"held"`
}

// Report is what a drill found. It is for one goroutine at a time.
type Report struct {
	Drill string   `json:"drill"`
	Seed  uint64   `json:"seed"`
	Rows  []Row    `json:"rows"`
	Notes []string `json:"notes,omitempty"` // failures seen, and other things worth a line
}

// Add appends a row.
func (r *Report) Add(what, target string, measured any, held bool) {
	r.Rows = append(r.Rows, Row{what, target, fmt.Sprint(measured), held})
}

// Note appends a line that is no target.
func (r *Report) Note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Held reports whether every target held; a drill without rows proved nothing.
func (r *Report) Held() bool {
	for _, row := range r.Rows {
		if !row.Held {
			return false
		}
	}
	return len(r.Rows) > 0
}

// Err returns nil when every target held, else one line that names those that did not.
func (r *Report) Err() error {
	if r.Held() {
		return nil
	}
	which := make([]string, 0, len(r.Rows))
	for _, row := range r.Rows {
		if !row.Held {
			which = append(which, fmt.Sprintf("%s (%s, wanted %s)", row.What, row.Measured, row.Target))
		}
	}
	return fmt.Errorf("not all targets held: %s", strings.Join(which, "; "))
}

// WriteTable prints the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "WHAT\tTARGET\tMEASURED\tHELD") // a strings.Builder takes everything
	for _, row := range r.Rows {
		held := "yes"
		if !row.Held {
			held = "NO"
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", row.What, row.Target, row.Measured, held)
	}
	_ = t.Flush()
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteJSON prints the report for programs, with the verdict.
func (r *Report) WriteJSON(w io.Writer) error {
	return json.NewEncoder(w).Encode(struct {
		*Report
		Held bool `json:"held"`
	}{r, r.Held()})
}
