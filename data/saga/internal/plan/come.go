package plan

import (
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/problem"
)

// Come reports whether a saga is at the step that an answer is for. It is an error
// when it has not come there yet.
func (d *Definition) Come(r table.Row, step string, undo bool) (bool, error) {
	i, at := d.Find(step), d.Find(r.Step)
	switch {
	case i < 0 || step == table.End:
		return false, problem.New(problem.InvalidArgument, "saga %s version %d has no step %q", r.Name, r.Version, step)
	case r.Ended(), r.Undoing && !undo:
		return false, nil
	case r.Undoing == undo && i == at:
		return true, nil
	case !undo && i < at, undo && r.Undoing && (i > at || r.Step == table.End):
		return false, nil
	}
	return false, problem.New(problem.FailedPrecondition, "saga %s %s is at step %s: there is nothing to answer for step %s yet", r.Name, r.ID, r.Place(), step)
}
