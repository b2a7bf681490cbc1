package draw

import (
	"fmt"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/musterdev/muster/platform/telemetry/graph"
)

// Text returns a map as two tables for people: the nodes with their fan-in and fan-out,
// and the edges.
func Text(m graph.Map) string {
	if len(m.Nodes) == 0 {
		return "nothing was heard of any service\n"
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "NODE\tKIND\tIN\tOUT\tRATE\tERRORS\tP50\tP99")
	for _, n := range m.Nodes {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\n", n.Name, n.Kind, n.In, n.Out, figures(n.Rate, n.Errors, n.P50, n.P99))
	}
	_ = w.Flush() // a strings.Builder takes all
	if len(m.Edges) > 0 {
		_, _ = fmt.Fprintln(w, "\nFROM\tTO\tKIND\tRATE\tERRORS\tP50\tP99\tWHAT")
	}
	for _, e := range m.Edges {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", e.From, e.To, e.Kind, figures(e.Rate, e.Errors, e.P50, e.P99), labels(e, 3))
	}
	_ = w.Flush()
	return b.String()
}

// figures are rate, errors and durations with tabs between them.
func figures(rate, errors, p50, p99 float64) string {
	if rate == 0 {
		return "-\t-\t-\t-"
	}
	return perSecond(rate) + "\t" + percent(errors) + "\t" + took(p50) + "\t" + took(p99)
}

// labels are the first of an edge's labels and how many more there are.
func labels(e graph.Edge, most int) string {
	if len(e.Labels) <= most {
		return strings.Join(e.Labels, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(e.Labels[:most], ", "), len(e.Labels)-most)
}

func perSecond(rate float64) string {
	switch {
	case rate >= 9.95:
		return strconv.FormatFloat(rate, 'f', 0, 64) + "/s"
	case rate >= 0.0995:
		return strconv.FormatFloat(rate, 'f', 1, 64) + "/s"
	}
	return strconv.FormatFloat(rate*60, 'g', 2, 64) + "/min"
}

func percent(share float64) string {
	switch {
	case share == 0:
		return "0%"
	case share < 0.001:
		return "<0.1%"
	case share < 0.0995:
		return strconv.FormatFloat(share*100, 'f', 1, 64) + "%"
	}
	return strconv.FormatFloat(share*100, 'f', 0, 64) + "%"
}

// took writes ms with two or three digits.
func took(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	for unit := time.Second; unit > time.Nanosecond; unit /= 10 {
		if d >= 10*unit {
			return d.Round(unit).String()
		}
	}
	return d.String()
}
