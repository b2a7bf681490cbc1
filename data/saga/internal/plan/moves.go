package plan

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// How a step that failed is tried again.
const (
	firstPause = 100 * time.Millisecond // doubles with each attempt
	mostPause  = 10 * time.Second
	maxFaults  = 10 // attempts that failed for no known reason before that counts as a bug
	maxLost    = 10 // holders that ended in the middle of a step, in a row, before it is not tried again
)

// Lethal reports whether a saga that was claimed is not to be carried on, for its step
// seems to end whoever does, and what that comes to.
func Lethal(r table.Row) (o Outcome, is bool) {
	if r.Lost < maxLost {
		return Outcome{}, false
	}
	which := fmt.Sprintf("step %q", r.Step)
	switch {
	case r.Step == table.End:
		which = "the hook at the end"
	case r.Undoing:
		which = fmt.Sprintf("the Undo of step %q", r.Step)
	}
	return Outcome{Kind: Bug, Text: fmt.Sprintf("its last %d holders ended in the middle of %s: a person is to look why they did, and whether it is the step that ends its process", r.Lost, which)}, true
}

// Next is r after the step at hand was done, or undone.
func (d *Definition) Next(r table.Row) table.Row {
	i := d.Find(r.Step)
	r = r.Fresh()
	switch {
	case r.Undoing && r.Step == table.End:
		r.State = table.Compensated
	case r.Undoing:
		return d.back(r, i-1)
	case i+1 < len(d.Steps):
		r.State, r.Step = table.Running, d.Steps[i+1].Name
	case r.Step == table.End || d.Completed == nil:
		r.State, r.Step = table.Completed, table.End
	default:
		r.State, r.Step = table.Running, table.End
	}
	return r
}

// back is r with the steps up to i still to be undone.
func (d *Definition) back(r table.Row, i int) table.Row {
	r = r.Fresh()
	r.Undoing, r.State = true, table.Compensating
	for ; i >= 0; i-- {
		if d.Steps[i].Undo != nil {
			r.Step = d.Steps[i].Name
			return r
		}
	}
	if r.Step = table.End; d.Compensated == nil {
		r.State = table.Compensated
	}
	return r
}

// Rest is r after the step at hand asked for an answer.
func (d *Definition) Rest(r table.Row) table.Row {
	doubt := r.Doubt
	r = r.Fresh()
	r.State, r.Doubt = table.Waiting, doubt
	return r
}

// Fail is r after the step at hand came to something else than done or waits.
func (d *Definition) Fail(r table.Row, o Outcome) (table.Row, Outcome) {
	i := d.Find(r.Step)
	if o.Kind == Rejected {
		if !r.Undoing && i <= d.Pivot {
			if !r.Doubt {
				i--
			}
			r.Reason = o.Text
			return d.back(r, i), o
		}
		o = d.refused(r, o)
	}
	local := i < 0 || i == len(d.Steps) || d.Steps[i].Local
	if !o.Sure && (!local || r.State == table.Waiting) {
		r.Doubt = true
	}
	r.Attempts++
	r.Err = o.Text
	if o.Kind == Fault {
		r.Faults++
	}
	if o.Kind == Bug || r.Faults >= maxFaults {
		r.State, r.After = table.Paused, 0
		return r, o
	}
	r.State, r.After = r.Active(), o.After
	if r.After <= 0 {
		r.After = pause(r.Attempts)
	}
	return r, o
}

// refused makes a bug of a refusal where nothing may be refused.
func (d *Definition) refused(r table.Row, o Outcome) Outcome {
	where := fmt.Sprintf("after the pivot %q", d.Steps[d.Pivot].Name)
	if r.Undoing {
		where = "in an Undo"
	}
	if r.Step == table.End {
		where = "in the hook at the end"
	}
	o.Kind, o.Text = Bug, Clip(fmt.Sprintf("nothing may be refused %s: %s", where, o.Text))
	return o
}

// pause is how long to wait after so many attempts that failed: between a half and all
// of what doubles each time, so that many do not come back at once.
func pause(attempts int) time.Duration {
	p := mostPause
	if n := max(attempts, 1) - 1; n < 16 {
		p = min(p, firstPause<<n)
	}
	return p/2 + rand.N(p/2)
}

// Compensate is r when a person has it go back. no says why it cannot.
func (d *Definition) Compensate(r table.Row, why string) (n table.Row, no string) {
	i := d.Find(r.Step)
	switch {
	case i < 0:
		return r, "this build does not know its step"
	case r.Undoing:
		return r, "it is compensated already"
	case i > d.Pivot:
		return r, fmt.Sprintf("its pivot %q is done", d.Steps[d.Pivot].Name)
	}
	s := d.Steps[i]
	switch doubt := r.Doubt || r.State == table.Waiting || r.Held && !s.Local; {
	case doubt && s.Undo == nil && !s.NoUndo: // only a pivot has neither
		return r, fmt.Sprintf("its pivot %q may have taken effect and has no Undo", s.Name)
	case !doubt:
		i--
	}
	r.Reason = Clip(why)
	return d.back(r, i), ""
}
