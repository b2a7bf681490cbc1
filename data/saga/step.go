package saga

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/tx"
)

// step carries out the step at hand of a saga, and leaves in j.to the saga as it was recorded
// after it: with an owner when the next step is to follow. An error means that it could
// not be recorded; table.ErrLost that the saga is another's.
func (r *run) step(d *plan.Definition, j *job) (err error) {
	at := &j.at
	ctx, a := watch.Begin(r.steps, r.tracer, at)
	var o plan.Outcome
	defer func() { a.End(&r.meters, at, &o, err) }()
	var lethal bool
	if o, lethal = plan.Lethal(*at); lethal {
		j.to, err = r.failed(ctx, d, *at, o)
		return err
	}
	def, do, wrong := d.Work(*at)
	if wrong != nil {
		o = plan.Judge(Bug(wrong))
		j.to, err = r.failed(ctx, d, *at, o)
		return err
	}
	ctx = called{ctx, Call{Saga: at.Name, ID: at.ID, Step: at.Step, Undo: at.Undoing, Fence: at.Fence, Attempt: at.Attempts + 1}, at.Reason}
	asked := time.Now()
	j.lease.Tries(def.Timeout, asked)
	defer j.lease.Tries(0, asked)
	if def.Local {
		o, err = r.local(ctx, d, j, def.Timeout, do)
	} else {
		o, err = r.remote(ctx, d, j, def.Timeout, do, &asked)
	}
	switch {
	case err != nil:
		return err
	case o.Kind == plan.Done || o.Kind == plan.Waits:
		if r.log.Enabled(ctx, slog.LevelDebug) {
			r.logOf(at).DebugContext(ctx, "saga: step "+string(o.Kind), "state", j.to.State)
		}
		j.lease.Renew(asked)
		return nil
	}
	j.to, err = r.failed(ctx, d, j.to, o)
	j.lease.Renew(asked)
	return err
}

// after leaves in j.to the saga after a try that was done, or waits.
func (r *run) after(d *plan.Definition, j *job, o plan.Outcome, data []byte) {
	if o.Kind == plan.Waits {
		j.to = d.Rest(j.at)
	} else {
		j.to = d.Next(j.at)
	}
	j.to.Data, j.to.Same = data, bytes.Equal(data, j.at.Data)
	r.keepOrNot(&j.to)
	j.why = Event{Outcome: string(o.Kind)}
}

// keepOrNot keeps the lease of a saga that goes on at once.
func (r *run) keepOrNot(to *table.Row) {
	if !to.Going() || r.until.Err() != nil {
		to.Owner = ""
	}
}

var errRollBack = errors.New("saga: roll back")

// local carries out a step that commits with its record. What it came to, where that
// is neither done nor waits, is left to be recorded.
func (r *run) local(ctx context.Context, d *plan.Definition, j *job, timeout time.Duration, do plan.Work) (o plan.Outcome, err error) {
	err = tx.Do(ctx, r.db, func(ctx context.Context, t *sql.Tx) error {
		if err := r.table.Hold(ctx, t, j.at); err != nil {
			return err
		}
		within, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		data, err := do(within, t, j.at.Data)
		o = plan.Judge(err)
		if o.Kind == plan.Waits && j.at.Step == table.End {
			o = plan.Judge(Bug(errors.New("a hook at the end cannot wait")))
		}
		if o.Kind != plan.Done && o.Kind != plan.Waits {
			return errRollBack
		}
		r.after(d, j, o, data)
		return r.table.Write(ctx, t, j.at, j.to, &j.why)
	})
	switch {
	case err == nil, errors.Is(err, table.ErrLost):
		return o, err
	case !errors.Is(err, errRollBack): // it is not the step's fault
		o = plan.Outcome{Kind: plan.Retry, Text: plan.Clip(err.Error())}
	}
	o.Sure = true // it was rolled back, or write finds that it was not
	j.to = j.at
	return o, nil
}

// remote carries out a step outside of any transaction, and records what it came to
// where that is done or waits.
func (r *run) remote(ctx context.Context, d *plan.Definition, j *job, timeout time.Duration, do plan.Work, asked *time.Time) (plan.Outcome, error) {
	within := j.lease.Within(ctx, *asked, timeout)
	data, err := do(within, nil, j.at.Data)
	within.End()
	o := plan.Judge(err)
	if o.Kind != plan.Done && o.Kind != plan.Waits {
		j.to = j.at
		j.to.Data = data
		return o, nil
	}
	r.after(d, j, o, data)
	*asked = time.Now()
	j.move = table.Move{From: &j.at, To: &j.to, Why: &j.why}
	return o, r.table.Make(settling{r.writes, ctx}, &j.move)
}

// failed records a try that came to something else than done or waits.
func (r *run) failed(ctx context.Context, d *plan.Definition, at table.Row, o plan.Outcome) (table.Row, error) {
	ctx, cancel := r.settle(ctx)
	defer cancel()
	if r.until.Err() != nil && o.Kind != plan.Rejected && o.Kind != plan.Bug { // it may be the end of the engine that failed it
		to := at
		to.Owner, to.Doubt = "", at.Doubt || !o.Sure
		return to, r.table.Save(ctx, at, to, nil)
	}
	if to, spared, err := r.spared(ctx, at, o); spared {
		return to, err
	}
	to, o := d.Fail(at, o)
	r.keepOrNot(&to)
	var why *Event
	if to.State == table.Paused || o.Kind == plan.Rejected || to.Attempts <= 3 || to.Attempts%10 == 0 {
		why = &Event{Outcome: string(o.Kind), Error: o.Text}
	}
	err := r.table.Save(ctx, at, to, why)
	if err != nil {
		return to, err
	}
	defer r.failedSo(ctx, at, o)
	log := r.logOf(&at)
	switch {
	case to.State == table.Paused:
		log.ErrorContext(ctx, "saga: paused: a person is to look, then retry, skip or compensate", "error", o.Text, "attempts", to.Attempts, "stack", o.Stack)
	case o.Kind == plan.Rejected:
		log.InfoContext(ctx, "saga: refused: it is compensated", "reason", o.Text)
	case to.Attempts%10 == 0:
		log.WarnContext(ctx, "saga: a step fails again and again", "error", o.Text, "attempts", to.Attempts, "next", to.After)
	default:
		log.InfoContext(ctx, "saga: a step failed: it is tried again", "error", o.Text, "attempts", to.Attempts, "next", to.After)
	}
	return to, nil
}
