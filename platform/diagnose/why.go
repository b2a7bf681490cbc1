package diagnose

import (
	"cmp"
	"slices"
	"time"

	"github.com/musterdev/muster/platform/telemetry/signal"
	"github.com/musterdev/muster/platform/telemetry/tree"
)

// enough is how many other traces must be there before anything is called usual.
const enough = 5

// mostCauses bounds an answer.
const mostCauses = 20

// Why tells where the time of a trace went: its critical path, summed by service, name
// and kind of span (and by statement or by whom it calls, of a client's), beside the medians of others of the same route. The caller chooses
// those; up to some thirty, not long before the trace, are what it is made for. A trace
// that is among the others itself, and others without spans, do not count. All causes'
// Critical together are the trace's duration, unless there are more than twenty causes:
// then the least excess is left out. A trace without spans has the zero answer, with a
// sentence that says so.
//
// The slices that it returns are never nil. Nothing that it is given is changed.
func Why(trace *tree.Tree, others []*tree.Tree) Answer {
	root := trace.Root()
	if root == nil {
		return Answer{Causes: []Cause{}, Sentence: "The trace has no spans."}
	}
	a := Answer{Trace: root.Trace, Service: root.Service, Name: root.Name, Duration: ms(root.Duration), Causes: []Cause{}}
	read := reader{map[string]string{}}
	var beside []map[place]*share
	var durations []float64
	for _, t := range others {
		if r := t.Root(); r != nil && r.Trace != root.Trace {
			beside = append(beside, read.measure(t))
			durations = append(durations, ms(r.Duration))
		}
	}
	a.Others = len(beside)
	a.Enough = a.Others >= enough
	if a.Enough {
		a.Usual = median(durations, len(durations))
	}
	found := read.explain(trace)
	for p, s := range read.measure(trace) {
		c := Cause{
			Service: p.service, Name: p.name, Kind: p.kind.String(), Spans: s.spans, Errors: s.errors,
			Critical: ms(s.critical), Own: ms(s.own), Example: s.longest.ID, Detail: detail(s.longest),
		}
		if s.critical == 0 {
			continue
		}
		if a.Enough {
			var critical, spans []float64
			for _, other := range beside {
				if o := other[p]; o != nil {
					critical, spans = append(critical, ms(o.critical)), append(spans, float64(o.spans))
				}
			}
			c.Usual, c.Usually = median(critical, a.Others), median(spans, a.Others)
		}
		c.Excess = c.Critical - c.Usual
		c.Sentence = a.words(c, s, found.repeats[p])
		a.Causes = append(a.Causes, c)
	}
	slices.SortFunc(a.Causes, func(x, y Cause) int {
		return cmp.Or(cmp.Compare(y.Excess, x.Excess), cmp.Compare(y.Critical, x.Critical),
			cmp.Compare(x.Service, y.Service), cmp.Compare(x.Name, y.Name), cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Detail, y.Detail))
	})
	a.Causes = a.Causes[:min(len(a.Causes), mostCauses)]
	a.Sentence = a.conclude(trace, found)
	return a
}

// place is where time goes. Client's spans are often named by no more than their method:
// what they are about tells them apart.
type place struct {
	service, name string
	kind          signal.Kind
	about         string // the statement's shape, or who is called
}

func (r reader) placeOf(n *tree.Node) place {
	p := place{service: n.Service, name: n.Name, kind: n.Kind}
	if n.Kind == signal.Client {
		if p.about = r.shape(first(n, statements...)); p.about == "" {
			p.about = first(n, peers...)
		}
	}
	return p
}

// share is what a place has of a trace.
type share struct {
	spans, errors int
	critical, own int64
	longest       *tree.Node // on the critical path; of those that are not, if none is
	most          int64      // that one's part of the path
}

// measure sums a trace by place.
func (r reader) measure(t *tree.Tree) map[place]*share {
	m, places := map[place]*share{}, make(map[*tree.Node]*share, len(t.Nodes))
	for _, n := range t.Nodes {
		at := r.placeOf(n)
		s := m[at]
		if s == nil {
			s = &share{longest: n}
			m[at] = s
		}
		places[n] = s
		s.spans++
		s.own += n.Own
		if n.Status == signal.Error {
			s.errors++
		}
		if n.Duration > s.longest.Duration {
			s.longest = n
		}
	}
	on := map[*tree.Node]int64{}
	for _, p := range t.Critical {
		on[p.Node] += p.Until - p.From
		s := places[p.Node]
		s.critical += p.Until - p.From
		if on[p.Node] > s.most {
			s.most, s.longest = on[p.Node], p.Node
		}
	}
	return m
}

// median returns the median of so many values, of which those that are not given are 0.
func median(given []float64, of int) float64 {
	if of == 0 {
		return 0
	}
	all := make([]float64, of)
	copy(all, given)
	slices.Sort(all)
	return (all[(of-1)/2] + all[of/2]) / 2
}

func ms(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
