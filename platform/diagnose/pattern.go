package diagnose

import (
	"bytes"
	"cmp"
	"regexp"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// fewest is how often something must be asked within one piece of work to be called
// repeated.
const fewest = 5

// patterns are what a reader of a trace would see in it besides its times.
type patterns struct {
	failed  *tree.Node       // the span in which it went wrong first; nil: nothing failed, or all was tried again
	behind  bool             // that one failed where nobody waited for it
	retried *attempts        // the longest row of attempts
	repeats map[place]*again // by the place of what is asked; only of places that are asked often
}

// attempts are calls, or steps, of one kind, one after the other, of which all but the last failed.
type attempts struct {
	last   *tree.Node
	all    int
	reason string // of the first
}

// again is a question that one piece of work asks again and again.
type again struct {
	asker, one *tree.Node
	times      int
	took       int64 // ns, together
}

func (r reader) explain(t *tree.Tree) patterns {
	p := patterns{repeats: map[place]*again{}}
	retried := map[*tree.Node]bool{} // failed, and tried again
	for _, n := range t.Nodes {
		if len(n.Children) > 1 {
			p.attempts(r, n, retried)
		}
		if len(n.Children) >= fewest {
			p.repeated(r, n)
		}
	}
	p.failed, p.behind = failure(t, retried)
	return p
}

// attempts finds calls and steps of a node that were tried again.
func (p *patterns) attempts(r reader, n *tree.Node, retried map[*tree.Node]bool) {
	rows := map[question]*attempts{}
	for _, c := range n.Children {
		if c.Kind != signal.Client && c.Kind != signal.Internal {
			continue
		}
		q := r.asked(c)
		row := rows[q]
		if row == nil || row.last.Status != signal.Error || c.Start < row.last.End() {
			rows[q] = &attempts{last: c, all: 1, reason: c.Message}
			continue
		}
		retried[row.last] = true
		row.last, row.all = c, row.all+1
		if p.retried == nil || row.all > p.retried.all {
			p.retried = row
		}
	}
}

// repeated finds what a node asks again and again.
func (p *patterns) repeated(r reader, n *tree.Node) {
	rows := map[question]*again{}
	for _, c := range n.Children {
		if c.Kind != signal.Client || c.Behind() {
			continue
		}
		q := r.asked(c)
		if rows[q] == nil {
			rows[q] = &again{asker: n, one: c}
		}
		rows[q].times++
		rows[q].took += c.Duration
	}
	for q, row := range rows {
		if row.times >= fewest && row.worse(p.repeats[q.place]) {
			p.repeats[q.place] = row
		}
	}
}

// worse reports whether a question is to be named before another, nil is none.
func (r *again) worse(than *again) bool {
	return than == nil || cmp.Or(cmp.Compare(r.took, than.took), cmp.Compare(than.one.Start, r.one.Start), bytes.Compare(than.one.ID[:], r.one.ID[:])) > 0
}

// question is what a client's span asks, without the values.
type question struct {
	place
	shape string
}

func (r reader) asked(n *tree.Node) question { return question{r.placeOf(n), r.shape(detail(n))} }

// values are the numbers and quoted texts in a statement or URL; the digits of a name are
// part of it. lists are what is left of lists of them, which are not always as long.
var (
	values = regexp.MustCompile(`'[^']*'|\$?\b[0-9]+(\.[0-9]+)?\b`)
	lists  = regexp.MustCompile(`\?(\s*,\s*\?)+|\(\s*\?(\s*,\s*\?)*\s*\)(\s*,\s*\(\s*\?(\s*,\s*\?)*\s*\))+`)
)

// reader reads one trace after the other, each statement and URL in them once.
type reader struct{ shapes map[string]string }

// mostShapes bounds what is remembered: most programs have far fewer statements.
const mostShapes = 1 << 17

// shape is the function of that name.
func (r reader) shape(text string) string {
	known, ok := r.shapes[text]
	if !ok {
		known = shape(text)
		if len(r.shapes) < mostShapes {
			r.shapes[text] = known
		}
	}
	return known
}

// shape is a statement or URL without the values in it, which differ from one question to
// the next where a program writes them into the text.
func shape(s string) string {
	if strings.ContainsAny(s, "'0123456789") {
		s = values.ReplaceAllString(s, "?")
	}
	if strings.Contains(s, "?") {
		s = lists.ReplaceAllStringFunc(s, func(list string) string {
			if list[0] == '(' {
				return "(?)"
			}
			return "?"
		})
	}
	return s
}

// failure finds where a trace went wrong: from the root along the last failing child that
// was waited for; or, where the root did not fail, the first failing span that nobody
// tried again and that has no failing child.
func failure(t *tree.Tree, retried map[*tree.Node]bool) (failed *tree.Node, behind bool) {
	if n := t.Root(); n != nil && n.Status == signal.Error {
		for {
			below := lastFailed(n)
			if below == nil {
				return n, false
			}
			n = below
		}
	}
	var failures []*tree.Node
	for _, n := range t.Nodes {
		if n.Status == signal.Error && !retried[n] && lastFailed(n) == nil && !ended(n, retried) {
			failures = append(failures, n)
		}
	}
	if len(failures) == 0 {
		return nil, false
	}
	n := slices.MinFunc(failures, func(a, b *tree.Node) int { return cmp.Compare(a.End(), b.End()) })
	for up := n; up != nil; up = up.Above {
		if up.Behind() {
			return n, true
		}
	}
	return n, false
}

// ended reports whether a failure lies below an attempt that was made again.
func ended(n *tree.Node, retried map[*tree.Node]bool) bool {
	for up := n.Above; up != nil && up.Status == signal.Error; up = up.Above {
		if retried[up] {
			return true
		}
	}
	return false
}

// lastFailed returns the child that failed last of those that a node waits for.
func lastFailed(n *tree.Node) *tree.Node {
	var last *tree.Node
	for _, c := range n.Children {
		if c.Status == signal.Error && !c.Behind() && (last == nil || c.End() >= last.End()) {
			last = c
		}
	}
	return last
}
