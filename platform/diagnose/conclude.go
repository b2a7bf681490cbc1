package diagnose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/musterdev/muster/platform/telemetry/tree"
)

// slower is how many times the median a trace must take to be called slow.
const slower = 1.5

// conclude says it all in a few sentences.
func (a *Answer) conclude(t *tree.Tree, p patterns) string {
	main := a.main()
	s := []string{main}
	if !a.Enough {
		s = append(s, a.tooFew())
	}
	root := t.Root()
	switch n := p.failed; {
	case n == nil:
	case p.behind:
		s = append(s, "Work behind the answer failed in "+name(n)+reason(n.Message)+".")
	case root.Status != n.Status: // the root did not fail
		s = append(s, "A failure in "+name(n)+reason(n.Message)+" did no harm to the answer.")
	default:
		s = append(s, "It failed in "+name(n)+reason(n.Message)+".")
	}
	if r := p.retried; r != nil {
		s = append(s, fmt.Sprintf("%s tried %s %d times%s.", r.last.Service, r.last.Name, r.all, reason(r.reason)))
	}
	if text := a.repeated(p); text != "" && !strings.Contains(main, text) {
		s = append(s, text+".")
	}
	if more := t.End() - root.End(); ms(more) > max(1, a.Duration/10) {
		text := "Work went on for " + Took(ms(more)) + " behind the answer"
		if n := busiest(t, root.End()); n != nil && n.Own >= more/5 {
			text += ", " + Took(ms(n.Own)) + " of it " + where(n)
		}
		s = append(s, text+".")
	}
	return strings.Join(s, " ")
}

// busiest returns the span that was busy itself for the longest of those that ended after a
// time; nil where none did.
func busiest(t *tree.Tree, after int64) *tree.Node {
	var most *tree.Node
	for _, n := range t.Nodes {
		if n.End() > after && n.Above != nil && (most == nil || n.Own > most.Own) {
			most = n
		}
	}
	return most
}

// main says where the time went.
func (a *Answer) main() string {
	if len(a.Causes) == 0 {
		return "It took no time."
	}
	whole, top := Took(a.Duration), a.Causes[0]
	switch {
	case !a.Enough:
		return a.of(top, whole)
	case a.Duration <= slower*a.Usual:
		most := slices.MaxFunc(a.Causes, func(x, y Cause) int { return cmp.Compare(x.Critical, y.Critical) })
		how := "as long as usual"
		if a.Duration*slower < a.Usual {
			how = "less than usual"
		}
		return fmt.Sprintf("It took %s, %s (%s): %s", whole, how, Took(a.Usual), most.Sentence)
	}
	excess := a.Duration - a.Usual
	if top.Excess < excess/5 {
		return fmt.Sprintf("It took %s, usually %s: the time is spread over many places; most over the usual: %s", whole, Took(a.Usual), top.Sentence)
	}
	parts := []string{a.of(top, whole)}
	for _, c := range a.Causes[1:min(3, len(a.Causes))] {
		if c.Excess >= excess/5 {
			parts = append(parts, c.Sentence)
		}
	}
	return strings.Join(parts, " ")
}

// of puts a cause beside the whole: "4.2 s of 4.6 s were spent ...".
func (a *Answer) of(c Cause, whole string) string {
	took := Took(c.Critical)
	return took + " of " + whole + strings.TrimPrefix(c.Sentence, took)
}

func (a *Answer) tooFew() string {
	route := a.Service + ": " + a.Name
	switch a.Others {
	case 0:
		return "There is no other trace of " + route + " to compare it with."
	case 1:
		return "There is only one other trace of " + route + ", too few to say what is usual."
	}
	return fmt.Sprintf("There are only %d other traces of %s, too few to say what is usual.", a.Others, route)
}

// reason is why something failed, as the end of a sentence; "" where it is not known.
func reason(message string) string {
	message = strings.TrimRight(brief(message), ".")
	if message == "" {
		return ""
	}
	return ": " + message
}

// repeated names what is asked again and again where that takes a fifth of the time, in
// the words of its cause; "" where there is nothing of the kind.
func (a *Answer) repeated(p patterns) string {
	var worst *again
	for _, r := range p.repeats {
		if r.worse(worst) {
			worst = r
		}
	}
	if worst == nil || ms(worst.took) < a.Duration/5 {
		return ""
	}
	return worst.words()
}
