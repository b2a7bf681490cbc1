package saga

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"time"

	"github.com/musterdev/muster/data/saga/internal/held"
	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
)

// step carries out the step at hand of a saga, and returns the saga as it was recorded
// after it: with an owner when the next step is to follow. An error means that it could
// not be recorded; table.ErrLost that the saga is another's.
func (r *run) step(d *plan.Definition, at table.Row, lease *held.Lease) (table.Row, error) {
	ctx, end := r.attempt(at)
	var o plan.Outcome
	var err error
	defer func() { end(o, err) }()
	var lethal bool
	if o, lethal = plan.Lethal(at); lethal {
		at, err = r.failed(ctx, d, at, o)
		return at, err
	}
	def, do, wrong := d.Work(at)
	if wrong != nil {
		o = plan.Judge(Bug(wrong))
		at, err = r.failed(ctx, d, at, o)
		return at, err
	}
	ctx = withCall(ctx, Call{Saga: at.Name, ID: at.ID, Step: at.Step, Undo: at.Undoing, Fence: at.Fence, Attempt: at.Attempts + 1})
	ctx = context.WithValue(ctx, reasonKey{}, at.Reason)
	late := time.AfterFunc(def.Timeout+time.Second, func() {
		r.logOf(at).WarnContext(ctx, "saga: a step goes on after its time: it does not heed its context", "timeout", def.Timeout)
	})
	defer late.Stop()
	var to table.Row
	asked := time.Now()
	if def.Local {
		to, o, err = r.local(ctx, d, at, def.Timeout, do)
	} else {
		to, o, err = r.remote(ctx, d, at, lease, def.Timeout, do, &asked)
	}
	switch {
	case err != nil:
		return to, err
	case o.Kind == plan.Done || o.Kind == plan.Waits:
		if r.log.Enabled(ctx, slog.LevelDebug) {
			r.logOf(at).DebugContext(ctx, "saga: step "+string(o.Kind), "state", to.State)
		}
		lease.Renew(asked)
		return to, nil
	}
	to, err = r.failed(ctx, d, to, o)
	lease.Renew(asked)
	return to, err
}

// after is the saga after a try that was done, or waits.
func (r *run) after(d *plan.Definition, at table.Row, o plan.Outcome, data []byte) (to table.Row, why *Event) {
	if to = d.Next(at); o.Kind == plan.Waits {
		to = d.Rest(at)
	}
	to.Data = data
	return r.keepOrNot(to), &Event{Outcome: string(o.Kind)}
}

// keepOrNot keeps the lease of a saga that goes on at once.
func (r *run) keepOrNot(to table.Row) table.Row {
	if !to.Going() || r.until.Err() != nil {
		to.Owner = ""
	}
	return to
}

var errRollBack = errors.New("saga: roll back")

// local carries out a step that commits with its record. What it came to, where that
// is neither done nor waits, is left to be recorded.
func (r *run) local(ctx context.Context, d *plan.Definition, at table.Row, timeout time.Duration, do plan.Work) (to table.Row, o plan.Outcome, err error) {
	err = tx.Do(ctx, r.db, func(ctx context.Context, t *sql.Tx) error {
		if err := r.table.Hold(ctx, t, at); err != nil {
			return err
		}
		within, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		data, err := do(within, t, at.Data)
		o = plan.Judge(err)
		if o.Kind == plan.Waits && at.Step == table.End {
			o = plan.Judge(Bug(errors.New("a hook at the end cannot wait")))
		}
		if o.Kind != plan.Done && o.Kind != plan.Waits {
			return errRollBack
		}
		var why *Event
		to, why = r.after(d, at, o, data)
		return r.table.Write(ctx, t, at, to, why)
	})
	switch {
	case err == nil, errors.Is(err, table.ErrLost):
		return to, o, err
	case !errors.Is(err, errRollBack): // it is not the step's fault
		o = plan.Outcome{Kind: plan.Retry, Text: plan.Clip(err.Error())}
	}
	o.Sure = true // it was rolled back, or write finds that it was not
	return at, o, nil
}

// remote carries out a step outside of any transaction, and records what it came to
// where that is done or waits.
func (r *run) remote(ctx context.Context, d *plan.Definition, at table.Row, lease *held.Lease, timeout time.Duration, do plan.Work, asked *time.Time) (table.Row, plan.Outcome, error) {
	leased, stop := lease.Within(ctx)
	within, cancel := context.WithTimeout(leased, timeout)
	data, err := do(within, nil, at.Data)
	cancel()
	stop()
	o := plan.Judge(err)
	if o.Kind != plan.Done && o.Kind != plan.Waits {
		at.Data = data
		return at, o, nil
	}
	to, why := r.after(d, at, o, data)
	*asked = time.Now()
	return to, o, r.table.Save(settling{r.writes, ctx}, at, to, why)
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
	to, o := d.Fail(at, o)
	to = r.keepOrNot(to)
	var why *Event
	if to.State == table.Paused || o.Kind == plan.Rejected || to.Attempts <= 3 || to.Attempts%10 == 0 {
		why = &Event{Outcome: string(o.Kind), Error: o.Text}
	}
	err := r.table.Save(ctx, at, to, why)
	if err != nil {
		return to, err
	}
	log := r.logOf(at)
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
