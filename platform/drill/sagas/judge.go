package sagas

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/crash"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/platform/drill"
	"github.com/musterdev/muster/platform/load/latency"
)

// tally is what was seen.
type tally struct {
	crashed   []*point // in the order of their crashes
	violated  *point   // the first that left something wrong, and what
	wrong     string
	completed int // sagas
	undone    int
	visitors  int // who came and left nothing wrong
	accepted  int // of these, those who were answered well
	longest   time.Duration
	takeovers *latency.Histogram
}

func newTally() tally { return tally{takeovers: latency.New()} }

func (t *tally) ended(s seen) {
	for _, one := range s.fresh {
		switch one.State {
		case saga.Completed:
			t.completed++
		case saga.Compensated:
			t.undone++
		default:
		}
	}
}

func (t *tally) ends() string {
	return fmt.Sprintf("%d sagas completed, %d compensated", t.completed, t.undone)
}

// report judges what was seen. all is how many points there are, of which some were chosen.
func (d *drive) report(all int, chosen []*point) *drill.Report {
	r, t := &drill.Report{Drill: "saga", Seed: d.cfg.Seed}, &d.tally
	clean := len(t.crashed)
	if t.violated != nil && slices.Contains(t.crashed, t.violated) {
		clean--
	}
	r.Add("boundaries crashed at, each saga ended and all as it must be", fmt.Sprintf("%d of %d", len(chosen), len(chosen)),
		fmt.Sprintf("%d of %d, %.4g %%", clean, len(chosen), 100*float64(clean)/float64(max(1, len(chosen)))), clean == len(chosen) && clean > 0)
	if t.violated == nil {
		byKind(r, chosen, t.crashed)
	}
	r.Add("what was wrong after a crash", "nothing", first(t), t.violated == nil)
	if times := t.takeovers.Times(); times.Count > 0 {
		r.Add("taken over from the dead, p99", "<= "+takeover.String(), short(times.P99), times.P99 <= takeover)
		r.Note("%d sagas were under way as a process died, and went on after p50 %s, p99 %s, at most %s", times.Count, short(times.P50), short(times.P99), short(times.Max))
	}
	r.Note("%s; %d of %d visitors were answered well; the longest time from a crash until all was quiet was %s", t.ends(), t.accepted, t.visitors, short(t.longest))
	if len(chosen) < all {
		r.Note("a sample of %d of %d, chosen by the seed %d", len(chosen), all, d.cfg.Seed)
	}
	if t.violated != nil {
		r.Note("only this again: %s", d.cfg.Again(t.violated.service, t.violated.flow.Name, t.violated.at.String()))
		return r
	}
	var missed []string
	for _, p := range chosen {
		if !slices.Contains(t.crashed, p) {
			missed = append(missed, p.String())
		}
	}
	if len(missed) > 0 {
		r.Note("not come to in %d tries: %s", tries, strings.Join(missed, ", "))
	}
	return r
}

// byKind adds a row for each kind of boundary.
func byKind(r *drill.Report, chosen, crashed []*point) {
	for _, kind := range []crash.Kind{crash.Statement, crash.Commit, crash.Rollback, crash.Write} {
		of := func(p *point) bool { return p.kind == kind }
		if all, n := count(chosen, of), count(crashed, of); all > 0 {
			r.Add(fmt.Sprintf("of these before and after a %s", kind), fmt.Sprint(all), n, n == all)
		}
	}
}

func first(t *tally) string {
	if t.violated == nil {
		return "nothing"
	}
	return t.violated.String() + ": " + t.wrong
}

func count(list []*point, of func(*point) bool) (n int) {
	for _, p := range list {
		if of(p) {
			n++
		}
	}
	return n
}

func short(d time.Duration) string { return d.Round(time.Millisecond).String() }
