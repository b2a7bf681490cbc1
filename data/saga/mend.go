package saga

import (
	"context"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/web"
	"github.com/musterdev/muster/problem"
)

// Pause stops a saga before its next step, or its next try, until a person has it go on.
// One whose step is being carried out is fenced off: what a Local step does then is rolled
// back, and a Remote one is asked again, with the same key, when the saga goes on. One
// that waits for an answer cannot be paused: nothing is carried out until that comes.
//
// Errors of Pause and Resume are those of [Engine.Retry].
func (e *Engine) Pause(ctx context.Context, name, id string, n Note) error {
	return e.interfere(ctx, name, id, n, "pause")
}

// Resume has a paused saga go on as it was: unlike Retry it forgets none of the attempts
// that failed.
func (e *Engine) Resume(ctx context.Context, name, id string, n Note) error {
	return e.interfere(ctx, name, id, n, "resume")
}

type (
	// Edited are a saga's data as a person wants them. Its Seq is that of the [Entry] when
	// they were read.
	Edited = web.Edited
	// Bulk says which sagas are meant.
	Bulk = web.Bulk
	// Bulked is what became of them.
	Bulked = web.Bulked
)

// Edit replaces the data of a saga that has not ended, and that nobody works on: pause it
// before. It stays where it is. The data must be those of the definition's type, without
// a field that it does not have: invalid_argument else. When anything happened to the
// saga since Seq it returns conflict and changes nothing. Other errors are those of
// [Engine.Retry].
func (e *Engine) Edit(ctx context.Context, name, id string, ed Edited) error {
	return e.change(ctx, name, id, ed.Note, "edit", "edited", func(d *plan.Definition, r table.Row) (table.Row, error) {
		switch {
		case r.Ended():
			return r, problem.New(problem.FailedPrecondition, "saga %s %s is %s: the data of what has ended stay as they are", name, id, r.State)
		case r.Held:
			return r, problem.New(problem.FailedPrecondition, "saga %s %s is being carried on: pause it before its data are edited", name, id)
		case r.Seq != ed.Seq:
			return r, problem.New(problem.Conflict, "saga %s %s was changed since its data were read: it is at seq %d, not %d: read it again", name, id, r.Seq, ed.Seq)
		}
		data, err := d.Given(ed.Data)
		if err != nil {
			return r, problem.Wrap(err, problem.InvalidArgument, "the data are not those of saga %s version %d: %s", name, d.Version, err).WithField("data", "as the saga shows them")
		}
		to := r
		to.Data = data
		if r.Active() == r.State { // a pause between two tries goes on
			to.After = max(0, time.Until(time.UnixMilli(r.Next)))
		}
		return to, nil
	})
}

// RetryAll is Retry for all sagas of a name that are paused with such an error, one after
// the other. An error leaves those that were not reached as they are.
func (e *Engine) RetryAll(ctx context.Context, b Bulk) (done Bulked, err error) {
	switch err := b.Check(); {
	case err != nil:
		return done, err
	case b.Name == "":
		return done, problem.New(problem.InvalidArgument, "say which sagas: the name is missing").WithField("name", "of a saga")
	case b.Error == "":
		return done, problem.New(problem.InvalidArgument, "say which sagas: a part of their error is missing").WithField("error", "at least one character")
	}
	err = e.table.Stuck(ctx, b.Name, b.Error, func(id string) error {
		switch err := e.Retry(ctx, b.Name, id, b.Note); problem.CodeOf(err) {
		case problem.FailedPrecondition, problem.NotFound:
			done.Refused++
		default:
			if err != nil {
				return err
			}
			done.Retried++
		}
		return nil
	})
	return done, err
}
