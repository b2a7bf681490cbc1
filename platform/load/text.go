package load

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/platform/load/latency"
)

// WriteJSON writes the result for programs, with the verdict as "held".
func (r Result) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Result

		Held bool `json:"held"`
	}{r, r.Held()})
}

// WriteText writes the result for people: first whether it may be believed.
func (r Result) WriteText(w io.Writer) error {
	var b strings.Builder
	if r.Void != "" {
		fmt.Fprintf(&b, "VOID: %s\n\n", r.Void)
	}
	fmt.Fprintf(&b, "%d visitors in %s: %d ok, %d failed (%d of them shed), %d dropped", r.Offered, r.Elapsed.Round(time.Millisecond), r.OK, r.Failed, r.Shed, r.Dropped)
	if r.Cut > 0 {
		fmt.Fprintf(&b, ", %d cut off", r.Cut)
	}
	fmt.Fprintf(&b, "; %d requests, seed %d\n\n", r.Requests, r.Seed)

	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(words ...string) { _, _ = fmt.Fprintln(t, strings.Join(words, "\t")) } // a strings.Builder takes everything
	line("", "COUNT", "MEAN", "P50", "P90", "P99", "P99.9", "MAX")
	for _, row := range []struct {
		name string
		t    Times
	}{{"response", r.Response}, {"service", r.Service}, {"generator's lag", r.Lag}} {
		line(append([]string{row.name, fmt.Sprint(row.t.Count), latency.Short(row.t.Mean)}, quantiles(row.t)...)...)
	}
	_ = t.Flush()

	b.WriteByte('\n')
	line("STEP", "REQUESTS", "FAILED", "SHED", "P50", "P90", "P99", "P99.9", "MAX", "STATUS")
	for _, q := range r.Steps {
		line(q.words(q.Flow + ": " + q.Step)...)
	}
	for _, q := range r.Priorities {
		line(q.words("priority " + q.Priority)...)
	}
	_ = t.Flush()

	if len(r.SLO) > 0 {
		b.WriteByte('\n')
		line("SLO", "TARGET", "MEASURED", "HELD")
		for _, v := range r.SLO {
			held := "yes"
			if !v.Held {
				held = "NO"
			}
			line(v.What, v.Target, v.Measured, held)
		}
		_ = t.Flush()
	}
	for _, f := range r.Failures {
		fmt.Fprintf(&b, "note: %s\n", f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (q Requests) words(name string) []string {
	var status []string
	for _, s := range slices.Sorted(maps.Keys(q.Status)) {
		status = append(status, fmt.Sprintf("%s: %d", s, q.Status[s]))
	}
	words := append([]string{name, fmt.Sprint(q.Requests), fmt.Sprint(q.Failed), fmt.Sprint(q.Shed)}, quantiles(q.Response)...)
	return append(words, strings.Join(status, ", "))
}

func quantiles(t Times) (words []string) {
	for _, d := range []time.Duration{t.P50, t.P90, t.P99, t.P999, t.Max} {
		words = append(words, latency.Short(d))
	}
	return words
}
