package saga

import (
	"cmp"
	"context"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/saga/internal/web"
	"github.com/musterdev/muster/problem"
)

// Hold says when a step is held: when many sagas fail at it with the same error it is not
// tried for the others too, in any process. They wait there, and none of their attempts is counted. Errors are
// the same but for numbers, ids and what is quoted. Those count that may be mistakes: a [Bug],
// and errors of no known kind; not [Retry] and [Unknown], which others are to blame for.
//
// A step that is held for a Bug waits for a person, see [Engine.ResumeStep]. Held for
// another error, one saga is let through now and then: once the step is done or refused, or
// waits, for one, all go on.
//
// Its zero value holds a step for 5 sagas within a minute, and lets one through each 10 s. The engines
// on one database should have the same.
type Hold struct {
	After  int           // so many sagas; 0: 5; negative: no step is ever held by this engine
	Within time.Duration // of each other, by the database's clock; 0 or less: a minute
	Probe  time.Duration // lets one through so often; 0: 10 s; negative: only a person lifts it
	Notice func(Held)    // is told in the process that held the step, once; must not block; may be nil
}

func (h Hold) orDefault() Hold {
	h.After, h.Probe = cmp.Or(h.After, 5), cmp.Or(h.Probe, 10*time.Second)
	if h.Within <= 0 {
		h.Within = time.Minute
	}
	return h
}

type (
	// Held is a step that is held.
	Held = table.Held
	// Resume says which step is to be lifted, by whom and why.
	Resume = web.Resume
	// Resumed is what became of that.
	Resumed = web.Resumed
)

// Held returns the steps that are held in this database, by name.
func (e *Engine) Held(ctx context.Context) ([]Held, error) {
	list, err := e.table.Held(ctx)
	for i := range list {
		if err == nil {
			list[i].Waiting, err = e.table.Waiting(ctx, list[i].At)
		}
	}
	return list, err
}

// ResumeStep lifts a step that is held: all sagas that wait at it go on at once, in all
// processes within a second. Those that were paused before it was held stay so: see
// [Engine.RetryAll]. Errors: failed_precondition when it is not held, invalid_argument
// for a bad note.
func (e *Engine) ResumeStep(ctx context.Context, o Resume) (Resumed, error) {
	if err := o.Check(); err != nil {
		return Resumed{}, err
	}
	if o.Name == "" || o.Step == "" {
		return Resumed{}, problem.New(problem.InvalidArgument, "say which step: the name of the saga, or of its step, is missing").WithField("step", "of a saga")
	}
	n, err := e.table.Lift(ctx, o.At, o.By, o.Why)
	if err != nil {
		return Resumed{}, err
	}
	e.holds.Lifted(o.At)
	e.log.WarnContext(ctx, "saga: a person resumed a step", "saga", o.Name, "step", o.Step, "undo", o.Undoing, "by", o.By, "why", o.Why, "sagas", n)
	e.Wake()
	return Resumed{Sagas: n}, nil
}

// look asks which steps are held, unless that was done just now, and lets one saga through where it is time.
func (r *run) look(ctx context.Context) error {
	if !r.holds.Stale(time.Now()) {
		return nil
	}
	list, err := r.table.Held(ctx)
	if err != nil {
		return err
	}
	if n, changed := r.holds.Set(list); changed {
		r.meters.Held(ctx, n)
	}
	for _, h := range list {
		if !h.Due || r.hold.Probe < 0 || !r.knows(h.Name) {
			continue
		}
		if _, err := r.table.Let(ctx, h.At, r.hold.Probe); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) knows(name string) bool {
	for _, v := range r.known {
		if v.Name == name {
			return true
		}
	}
	return false
}

// comes decides what a saga does that comes to a step. A saga is the probe of a step that it is let through.
func (r *run) comes(at *table.Row) (table.Passage, error) {
	if !r.holds.Has(at) {
		return table.Free, nil
	}
	ctx, cancel := r.settle(r.steps)
	defer cancel()
	p, err := r.table.Park(ctx, *at, false, false)
	if err == nil && p == table.Free {
		r.holds.Lifted(at.At())
	}
	return p, err
}

// try carries out the step at hand, unless it is held: then the saga waits.
func (r *run) try(d *plan.Definition, j *job) (waits bool, err error) {
	passage, err := r.comes(&j.at)
	if err != nil || passage == table.Waits {
		return err == nil, err
	}
	if err = r.step(d, j); err == nil && passage == table.Probe {
		r.passed(&j.at, &j.to)
	}
	return false, err
}

// passed lifts a held step that its probe found in order.
func (r *run) passed(at, to *table.Row) {
	if to.At() == at.At() && to.State != Waiting && !to.Ended() {
		return // it failed
	}
	ctx, cancel := r.settle(r.steps)
	defer cancel()
	n, err := r.table.Lift(ctx, at.At(), "", "a saga that was let through came through: "+at.ID)
	switch {
	case err == nil:
		r.logOf(at).WarnContext(ctx, "saga: a step is held no more: one saga came through", "sagas", n)
	case problem.CodeOf(err) != problem.FailedPrecondition: // not that a person was faster
		r.logOf(at).WarnContext(ctx, "saga: a step could not be lifted; it is tried again with the next saga that is let through", "error", err)
		return
	}
	r.holds.Lifted(at.At())
	r.Wake()
}

// spared has a saga wait that failed as the others did for whom its step is held by now: the attempt does not count.
func (r *run) spared(ctx context.Context, at table.Row, o plan.Outcome) (to table.Row, is bool, err error) {
	if !o.Counts() || !r.holds.Same(&at, plan.Alike(o, at.ID)) {
		return at, false, nil
	}
	at.Owner = ""
	_, err = r.table.Park(ctx, at, true, !o.Sure)
	return at, true, err
}

// failedSo counts a saga that failed, and holds its step where there are enough.
func (r *run) failedSo(ctx context.Context, at table.Row, o plan.Outcome) {
	if r.hold.After < 0 || !o.Counts() {
		return
	}
	alike := plan.Alike(o, at.ID)
	if r.holds.Has(&at) || !r.holds.Note(&at, alike, time.Now(), r.hold.Within, r.hold.After) {
		return
	}
	h := Held{At: at.At(), Outcome: string(o.Kind), Error: o.Text, Alike: alike, Since: time.Now().UTC()}
	var err error
	if h.Sagas, err = r.table.Fault(ctx, at, alike, r.hold.Within); err == nil && h.Sagas >= r.hold.After {
		err = r.stop(ctx, &at, h)
	}
	if err != nil {
		r.logOf(&at).WarnContext(ctx, "saga: that it failed could not be counted", "error", err)
	}
}

// stop holds a step, and tells of it once for all engines.
func (r *run) stop(ctx context.Context, at *table.Row, h Held) error {
	probe := max(0, r.hold.Probe)
	if h.Outcome == string(plan.Bug) {
		probe = 0
	}
	made, err := r.table.Stop(ctx, h, probe)
	if err != nil {
		return err
	}
	if list, err := r.table.Held(ctx); err == nil { // else the next look says so
		r.holds.Set(list)
	}
	if !made {
		return nil
	}
	next := "a person is to look, then resume the step"
	if probe > 0 {
		h.ProbeAt = h.Since.Add(probe)
		next = "one saga is let through now and then, until one comes through"
	}
	r.log.ErrorContext(watch.WithTrace(ctx, at.Trace), "saga: a step is held for all: "+next, "saga", h.Name, "step", h.Step, "undo", h.Undoing, "error", h.Error, "sagas", h.Sagas)
	r.meters.Stopped(ctx, h.Name, h.Step, h.Undoing)
	if r.hold.Notice != nil {
		r.hold.Notice(h)
	}
	_ = r.table.Forget(ctx, max(time.Hour, r.hold.Within)) // the next that holds a step does
	return nil
}
