package saga

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Note says who interfered and why. Both are kept with the saga.
type Note = plan.Note

// Retry has a saga that is paused, or backs off after a failed attempt, tried again
// now, as if it were the first time.
//
// Retry, Skip and Compensate return ErrNotFound, failed_precondition, which names the
// state and what is possible in it, and invalid_argument for a bad note. Who and why
// are recorded. An engine that holds the saga meanwhile is fenced off.
func (e *Engine) Retry(ctx context.Context, name, id string, n Note) error {
	return e.interfere(ctx, name, id, n, "retry")
}

// Skip counts the step at hand, which is paused or has failed, as done, or as undone
// when the saga is compensated, and has the saga go on.
func (e *Engine) Skip(ctx context.Context, name, id string, n Note) error {
	return e.interfere(ctx, name, id, n, "skip")
}

// Compensate has a saga that has not ended, and whose pivot is not done, undo what it
// did. A step that may have taken effect is undone too. why becomes the reason.
func (e *Engine) Compensate(ctx context.Context, name, id string, n Note) error {
	return e.interfere(ctx, name, id, n, "compensate")
}

func (e *Engine) interfere(ctx context.Context, name, id string, n Note, what string) error {
	return e.change(ctx, name, id, n, what, plan.OutcomeOf(what), func(d *plan.Definition, r table.Row) (table.Row, error) {
		if d.Find(r.Step) < 0 && what != "retry" && what != "pause" && what != "resume" {
			return r, problem.New(problem.FailedPrecondition, "saga %s %s is at step %q, which this build does not know: run a build that does", name, id, r.Step)
		}
		to, no := plan.Act(what, d, r, n.Why)
		if no != "" {
			return r, problem.New(problem.FailedPrecondition, "saga %s %s is %s at step %s: %s; possible: %s", name, id, r.State, r.Place(), no, plan.Possible(d, r)).
				WithMeta("state", string(r.State))
		}
		return to, nil
	})
}

// change makes of a saga what a person wants, and records who and why.
func (e *Engine) change(ctx context.Context, name, id string, n Note, what, outcome string, move func(d *plan.Definition, r table.Row) (table.Row, error)) error {
	if err := n.Check(); err != nil {
		return err
	}
	err := tx.Do(ctx, e.db, func(ctx context.Context, t *sql.Tx) error {
		r, err := e.table.Lock(ctx, t, name, id)
		if err != nil {
			return err
		}
		d, r, err := e.current(ctx, t, r)
		if err != nil {
			return err
		}
		if d == nil {
			return problem.New(problem.FailedPrecondition, "saga %s %s has version %d, which this build does not know: run a build that does", name, id, r.Version)
		}
		to, err := move(d, r)
		if err != nil {
			return err
		}
		to.Owner, to.Fence = "", r.Fence+1
		tx.AfterCommit(ctx, func() { e.ended(ctx, d, &r, &to) }) // it is tx.Do's
		return e.table.Write(ctx, t, r, to, &Event{Outcome: outcome, Error: r.Err, By: n.By, Why: n.Why})
	})
	if err != nil {
		return err
	}
	e.log.WarnContext(ctx, "saga: a person changed its course", "saga", name, "id", id, "action", what, "by", n.By, "why", n.Why)
	e.Wake()
	return nil
}
