package saga

import (
	"context"
	"database/sql"
	"slices"
	"strings"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Note says who interfered and why. Both are kept with the saga.
type Note struct {
	By  string `json:"by"`  // 1 to 100 bytes
	Why string `json:"why"` // 1 to 1000 bytes
}

func (n Note) check() error {
	for field, v := range map[string]struct {
		text string
		most int
	}{"by": {n.By, 100}, "why": {n.Why, 1000}} {
		if strings.TrimSpace(v.text) == "" || len(v.text) > v.most || plan.Clip(v.text) != v.text {
			return problem.New(problem.InvalidArgument, "say who changes the course of the saga, and why: %q is missing, or too long", field).
				WithField(field, "1 to "+map[string]string{"by": "100", "why": "1000"}[field]+" bytes")
		}
	}
	return nil
}

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

// action is what a person may do to a saga: it returns how the saga goes on, or says
// why that cannot be.
type action struct {
	outcome string
	move    func(d *plan.Definition, r table.Row, why string) (to table.Row, no string)
}

var actions = map[string]action{
	"retry": {"retried", func(_ *plan.Definition, r table.Row, _ string) (table.Row, string) {
		if no := stuck(r); no != "" {
			return r, no
		}
		if r.State != Paused && r.Held {
			return r, "it is being tried right now"
		}
		to := r.Fresh()
		to.State, to.Doubt = r.Active(), r.Doubt
		return to, ""
	}},
	"skip": {"skipped", func(d *plan.Definition, r table.Row, _ string) (table.Row, string) {
		if no := stuck(r); no != "" {
			return r, no
		}
		return d.Next(r), ""
	}},
	"compensate": {"compensated", func(d *plan.Definition, r table.Row, why string) (table.Row, string) {
		if r.Ended() {
			return r, "it has ended"
		}
		return d.Compensate(r, why)
	}},
}

// stuck says why a saga is not in the way of a person who would help it on.
func stuck(r table.Row) string {
	switch {
	case r.Ended():
		return "it has ended"
	case r.State == Waiting:
		return "it waits for an answer"
	case r.State != Paused && r.Attempts == 0:
		return "its step has not failed"
	}
	return ""
}

func (e *Engine) interfere(ctx context.Context, name, id string, n Note, what string) error {
	if err := n.check(); err != nil {
		return err
	}
	err := tx.Do(ctx, e.db, func(ctx context.Context, t *sql.Tx) error {
		r, err := e.table.Lock(ctx, t, name, id)
		if err != nil {
			return err
		}
		d := e.defs[r.Definition()]
		if d == nil {
			return problem.New(problem.FailedPrecondition, "saga %s %s has version %d, which this build does not know: run a build that does", name, id, r.Version)
		}
		r = d.Settle(r)
		if d.Find(r.Step) < 0 && what != "retry" {
			return problem.New(problem.FailedPrecondition, "saga %s %s is at step %q, which this build does not know: run a build that does", name, id, r.Step)
		}
		to, no := actions[what].move(d, r, n.Why)
		if no != "" {
			return problem.New(problem.FailedPrecondition, "saga %s %s is %s at step %s: %s; possible: %s", name, id, r.State, place(r), no, possible(d, r)).
				WithMeta("state", string(r.State))
		}
		to.Owner, to.Fence = "", r.Fence+1
		return e.table.Write(ctx, t, r, to, &Event{Outcome: actions[what].outcome, Error: r.Err, By: n.By, Why: n.Why})
	})
	if err != nil {
		return err
	}
	e.log.WarnContext(ctx, "saga: a person changed its course", "saga", name, "id", id, "action", what, "by", n.By, "why", n.Why)
	e.Wake()
	return nil
}

// possible lists what a person may do.
func possible(d *plan.Definition, r table.Row) string {
	var list []string
	for what, a := range actions {
		if _, no := a.move(d, r, ""); no == "" {
			list = append(list, what)
		}
	}
	if slices.Sort(list); len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}
