// Package sagas tells how operations fare that are sagas: the status is read from the
// saga's row, and to cancel one is to have it undo what it did.
package sagas

import (
	"context"
	"strings"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/rest/operation"
)

// Engine is what is asked: a *saga.Engine.
type Engine interface {
	Show(ctx context.Context, name, id string) (saga.Detail, error)
	Compensate(ctx context.Context, name, id string, n saga.Note) error
}

// Source tells how the sagas of one name fare; the id of an operation is the saga's. Set
// its fields before it is used; it is safe for concurrent use.
type Source struct {
	Engine Engine
	Name   string                   // of the saga: "checkout"
	Steps  int                      // how many it has, for the percentage; 0: none is told
	Result func(saga.Detail) string // the address of what came of one that completed; nil: none
	Keep   time.Duration            // saga.Config.Keep, for when it expires; 0: 30 days
}

var (
	_ operation.Source   = Source{}
	_ operation.Canceler = Source{}
)

// canceler is who a saga that was canceled by its client says it was compensated by.
const canceler = "the client"

// Find returns a saga's status. One that was compensated has failed, with the reason that
// its step gave as the text, or is canceled. A saga that is paused is running as far as
// clients can tell. An error that is not for clients, such as that of an attempt, is not told.
func (s Source) Find(ctx context.Context, id string) (operation.Status, error) {
	d, err := s.Engine.Show(ctx, s.Name, id)
	if err != nil {
		return operation.Status{}, told(err, id)
	}
	keep := s.Keep
	if keep == 0 {
		keep = 30 * 24 * time.Hour
	}
	st := operation.Status{ID: id, State: operation.Running, Created: d.Created, Updated: d.Updated, Canceling: d.Undoing || d.State == saga.Compensating}
	switch d.State {
	case saga.Completed:
		st.State, st.Canceling = operation.Succeeded, false
		if s.Result != nil {
			st.Result = s.Result(d)
		}
	case saga.Compensated:
		st.State, st.Canceling = operation.Failed, false
		st.Error = &operation.Failure{Code: problem.Unprocessable, Detail: d.Reason}
		switch by := orderedBy(d); by {
		case "": // a step refused
		case canceler:
			st.State, st.Error = operation.Canceled, nil
		default: // their reason is for the own people
			st.Error.Detail = "it was stopped, and what it did was taken back"
		}
	default:
		st.Percent = s.percent(d)
		return st, nil
	}
	if keep > 0 {
		st.Expires = d.Updated.Add(keep)
	}
	return st, nil
}

// percent is how many of the steps are done, of a saga that goes forth.
func (s Source) percent(d saga.Detail) *int {
	if s.Steps <= 0 || d.Undoing || d.State == saga.Compensating {
		return nil
	}
	done := map[string]bool{}
	for _, e := range d.History {
		if e.Outcome == "done" && e.Direction == "do" {
			done[e.Step] = true
		}
	}
	n := min(100*len(done)/s.Steps, 100)
	return &n
}

// orderedBy is who had the saga compensated, "" for a step that refused.
func orderedBy(d saga.Detail) string {
	for _, e := range d.History {
		if e.Outcome == "compensated" && e.By != "" {
			return e.By
		}
	}
	return ""
}

// Cancel has the saga undo what it did. It is failed_precondition when its pivot is done, or it
// has completed.
func (s Source) Cancel(ctx context.Context, id string) error {
	err := s.Engine.Compensate(ctx, s.Name, id, saga.Note{By: canceler, Why: "canceled"})
	if problem.CodeOf(err) == problem.FailedPrecondition {
		d, e := s.Engine.Show(ctx, s.Name, id)
		switch {
		case e != nil:
			return told(e, id)
		case d.State == saga.Compensating || d.State == saga.Compensated || d.Undoing:
			return nil // it goes back already, or went
		}
		return problem.Wrap(err, problem.FailedPrecondition, "it is too late to cancel the operation %s: it has ended, or what it did cannot be taken back", id)
	}
	return told(err, id)
}

// told is an error in the words of operations.
func told(err error, id string) error {
	if problem.CodeOf(err) == problem.NotFound {
		return problem.Wrap(err, problem.NotFound, "there is no operation %.60q", strings.ToValidUTF8(id, "?"))
	}
	return err
}
