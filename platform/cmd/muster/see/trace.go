package see

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/musterdev/muster/platform/diagnose"
	"github.com/musterdev/muster/platform/telemetry/query"
	"github.com/musterdev/muster/platform/telemetry/signal"
)

// Trace writes a trace as a tree with a bar for each span, at most so many spans, and
// records below the spans in which they were made.
func (s Screen) Trace(t query.Trace, records []query.Log, most int) error {
	d := drawing{Screen: s, trace: &t, on: map[signal.SpanID][]query.Piece{}, records: map[signal.SpanID][]query.Log{}}
	for _, p := range t.Critical {
		d.on[p.Span] = append(d.on[p.Span], p)
	}
	for _, l := range records {
		d.records[l.Span] = append(d.records[l.Span], l)
	}
	rows := t.Tree[:min(len(t.Tree), most)]
	d.measure(rows)
	if err := d.head(); err != nil {
		return err
	}
	for i := range rows {
		if err := d.row(&rows[i], i); err != nil {
			return err
		}
	}
	if more := len(t.Tree) - len(rows); more > 0 {
		if err := s.print("… %s more: --limit %d shows all\n", count(more, "span"), len(t.Tree)); err != nil {
			return err
		}
	}
	return d.rest(rows)
}

// drawing is a tree on its way to the screen.
type drawing struct {
	Screen

	trace   *query.Trace
	on      map[signal.SpanID][]query.Piece
	records map[signal.SpanID][]query.Log

	guides     []string // before the names of the rows
	names, bar int      // widths
	from, span float64  // ms: what the bar's width stands for
}

// The widths of the columns of figures, with what parts them.
const (
	figure  = 8
	figures = 2 + 2*figure + 4
)

// measure finds the widths.
func (d *drawing) measure(rows []query.Span) {
	room := d.Width - figures
	d.guides = guides(rows, min(24, room/4))
	longest := len("SPAN")
	for i := range rows {
		longest = max(longest, utf8.RuneCountInString(d.guides[i]+label(&rows[i])))
	}
	if d.bar = min(60, room/3); d.bar < 10 {
		d.bar = 0
	}
	d.names = max(10, min(longest, room-d.bar))
	if d.bar > 0 {
		d.bar = min(60, room-d.names)
	}
	var until float64
	for i, span := range d.trace.Tree {
		if i == 0 {
			d.from = span.Start
		}
		d.from, until = min(d.from, span.Start), max(until, span.Start+span.Duration)
	}
	d.span = until - d.from
}

func (d *drawing) head() error {
	t := d.trace
	failed := ""
	switch {
	case t.Errors == 1 && len(t.Tree) == 1:
		failed = ", " + d.paint(red, "which failed")
	case t.Errors > 0:
		failed = ", " + d.paint(red, fmt.Sprintf("%d of them failed", t.Errors))
	}
	behind := ""
	if t.Total > 1.01*t.Duration+0.1 {
		behind = ", " + diagnose.Took(t.Total) + " with the work behind the answer"
	}
	lines := []string{
		d.paint(bold, clean(t.Service+": "+t.Name)) + "  trace " + t.Trace.String(),
		fmt.Sprintf("began %s, took %s%s; %s of %s%s", at(t.Start).Format("15:04:05.000 2006-01-02"), diagnose.Took(t.Duration), behind,
			count(len(t.Tree), "span"), count(len(t.Services), "service"), failed),
	}
	if t.Rootless {
		lines = append(lines, "its beginning is missing: it is not here yet, was not sampled, or its sender has no telemetry")
	}
	if t.Skewed {
		lines = append(lines, "the clocks of its processes differ: some spans were moved into their parents")
	}
	title := pad("SPAN", d.names, false) + "   " + pad("OWN", figure, true) + " " + pad("TOOK", figure, true)
	if d.bar > 0 {
		title += "  " + cut("━ on the critical path  ─ not", d.bar)
	}
	lines = append(lines, "", d.paint(dim, title))
	return d.print("%s\n", strings.Join(lines, "\n"))
}

func (d *drawing) row(n *query.Span, i int) error {
	mark, look := " ", plain
	if len(d.on[n.ID]) > 0 {
		mark = d.paint(yellow, "*")
	}
	if n.Error {
		look = red
	}
	guide := utf8.RuneCountInString(d.guides[i])
	text := cut(label(n), max(6, d.names-guide))
	line := d.guides[i] + d.paint(look, text) + strings.Repeat(" ", max(0, d.names-guide-utf8.RuneCountInString(text))) +
		" " + mark + " " + pad(diagnose.Took(n.Own), figure, true) + " " + pad(diagnose.Took(n.Duration), figure, true)
	if d.bar > 0 {
		line += "  " + d.drawn(n)
	}
	if err := d.print("%s\n", strings.TrimRight(line, " ")); err != nil {
		return err
	}
	below := strings.NewReplacer("├", "│", "└", " ").Replace(d.guides[i]) + "  "
	wide := utf8.RuneCountInString(below)
	if n.Error && n.Message != "" {
		if err := d.print("%s%s\n", below, d.paint(red, cut("! "+clean(n.Message), max(20, d.Width-wide)))); err != nil {
			return err
		}
	}
	for _, l := range d.records[n.ID] {
		if err := d.print("%s%s %s\n", below, d.paint(dim, clock(l.Time)), d.record(l)); err != nil {
			return err
		}
	}
	return nil
}

// rest writes the records that belong to no span that was shown.
func (d *drawing) rest(shown []query.Span) error {
	for i := range shown {
		delete(d.records, shown[i].ID)
	}
	var left []query.Log
	for _, list := range d.records {
		left = append(left, list...)
	}
	if len(left) == 0 {
		return nil
	}
	slices.SortFunc(left, func(a, b query.Log) int { return cmp.Compare(a.Time, b.Time) })
	if err := d.print("\nlogged outside of these spans\n"); err != nil {
		return err
	}
	for _, l := range left {
		if err := d.Log(l, false); err != nil {
			return err
		}
	}
	return nil
}

// drawn is a span's bar: thick where it is on the critical path.
func (d *drawing) drawn(n *query.Span) string {
	cells := make([]rune, d.bar)
	for i := range cells {
		cells[i] = ' '
	}
	fill := func(from, until float64, with rune) {
		if d.span > 0 {
			from, until = (from-d.from)/d.span, (until-d.from)/d.span
		} else {
			from, until = 0, 1
		}
		first := max(0, min(d.bar-1, int(from*float64(d.bar))))
		for i := first; i <= max(first, min(d.bar, int(until*float64(d.bar)+0.5))-1); i++ {
			cells[i] = with
		}
	}
	fill(n.Start, n.Start+n.Duration, '─')
	for _, p := range d.on[n.ID] {
		fill(p.From, p.Until, '━')
	}
	look := dim
	switch {
	case n.Error:
		look = red
	case len(d.on[n.ID]) > 0:
		look = yellow
	}
	return d.paint(look, string(cells))
}

// label is what a span is called in its row.
func label(n *query.Span) string {
	between := ": "
	switch n.Kind {
	case "client":
		between = " → "
	case "producer":
		between = " ⇢ "
	case "consumer":
		between = " ⇠ "
	}
	text := clean(n.Service + between + n.Name)
	if n.Missing {
		text += " (its parent is missing)"
	}
	return text
}

// guides are the lines that lead from parents to children, a text a row. Below so many
// levels a number says how many more there are.
func guides(rows []query.Span, deepest int) []string {
	more := make([]bool, 0, deepest+1) // by depth: another follows below the same parent
	texts := make([]string, len(rows))
	for i, n := range slices.Backward(rows) {
		depth := max(0, n.Depth)
		var b strings.Builder
		for level := 1; level < min(depth, deepest); level++ {
			if level < len(more) && more[level] {
				b.WriteString("│ ")
			} else {
				b.WriteString("  ")
			}
		}
		switch another := depth < len(more) && more[depth]; {
		case depth == 0:
		case depth > deepest:
			fmt.Fprintf(&b, "+%d ", depth-deepest)
		case another:
			b.WriteString("├ ")
		default:
			b.WriteString("└ ")
		}
		texts[i] = b.String()
		if depth <= deepest {
			for len(more) <= depth {
				more = append(more, false)
			}
			more = more[:depth+1]
			more[depth] = true
		}
	}
	return texts
}
