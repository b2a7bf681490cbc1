package saga

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/held"
	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/rhythm"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
)

// run is one run of an engine.
type run struct {
	*Engine
	name   string          // what the table has as owner: another for each run
	until  context.Context //nolint:containedctx // ends when no new step is to begin
	steps  context.Context //nolint:containedctx // ends when those in hand are to
	writes context.Context //nolint:containedctx // ends when nothing more is to be written
	held   *held.Leases
	freed  chan struct{}
	worker sync.WaitGroup
	idle   chan *job // to a worker that has nothing to do
	spare  sync.Pool // jobs of sagas that went well
}

// Run carries on sagas until ctx ends; then it lets go of what it holds, so that
// others, or this one started anew, go on at once. Steps in hand are given two seconds
// to end before their contexts are. It returns nil then; or, eight seconds after ctx, an
// error that names the sagas and steps that have not ended nevertheless: what becomes
// of them is not recorded, and others go on with their sagas when the leases have ended.
// It returns an error at once when it is running already or the tables are missing.
//
// Meanwhile it deletes old sagas, see [Config].Keep.
func (e *Engine) Run(ctx context.Context) error {
	if !e.running.CompareAndSwap(false, true) {
		return errors.New("saga: the engine is running already")
	}
	defer e.running.Store(false)
	if err := e.ready(ctx); err != nil || len(e.defs) == 0 {
		<-until(ctx, err)
		return err
	}
	steps, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	writes, closeBooks := context.WithCancel(context.WithoutCancel(ctx))
	defer closeBooks()
	beats, still := context.WithCancel(context.WithoutCancel(ctx))
	defer still()
	r := &run{
		Engine: e, name: e.owner + "/" + rand.Text()[:8], until: ctx, steps: steps, writes: writes,
		held: held.New(), freed: make(chan struct{}, 1), idle: make(chan *job),
	}
	var besides sync.WaitGroup
	besides.Go(func() { r.keep(beats) })
	besides.Go(func() { rhythm.Sweep(ctx, r.table, r.log, r.keepFor, r.known) })
	e.active.Store(r)
	defer e.active.Store(nil)
	r.bury(ctx)
	r.claimAll(ctx)
	r.held.Shut()
	left := r.finish(cut, closeBooks)
	still()
	besides.Wait()
	if left != nil {
		return left
	}
	settle, cancel := r.settle(ctx)
	defer cancel()
	if err := e.table.LetAllGo(settle, r.name); err != nil {
		e.log.WarnContext(settle, "saga: leases could not be ended; they will by themselves", "error", err)
	}
	return nil
}

// until returns a channel that is closed when there is an error or ctx has ended.
func until(ctx context.Context, err error) <-chan struct{} {
	if err == nil {
		return ctx.Done()
	}
	closed := make(chan struct{})
	close(closed)
	return closed
}

// ready fails when the tables are missing. A database that is away is waited for later.
func (e *Engine) ready(ctx context.Context) error {
	_, err := e.Counts(ctx)
	if err == nil {
		_, err = e.table.Held(ctx)
	}
	if err != nil && table.Missing(err) {
		return err
	}
	return nil
}

// bury has what the process before held taken over at once; see [Config].Sole.
func (r *run) bury(ctx context.Context) {
	if !r.sole {
		return
	}
	if err := r.table.Bury(ctx, r.owner+"/"); err != nil && ctx.Err() == nil {
		r.log.WarnContext(ctx, "saga: the leases of the process before could not be ended; they will by themselves", "error", err)
	}
}

// claimAll has free workers carry on what is due, until ctx ends.
func (r *run) claimAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	p := rhythm.Pace{}
	for {
		free := r.workers - r.held.Count()
		var rows []table.Row
		var err error
		wait := table.Window
		if free > 0 {
			asked := time.Now()
			suspects := 1
			if r.held.Suspects() {
				suspects = 0
			}
			if err = r.look(ctx); err == nil {
				rows, err = r.table.Claim(ctx, r.known, r.name, free, suspects)
			}
			for _, claimed := range rows {
				r.begin(r.job(claimed), asked)
			}
			if err == nil && len(rows) < free {
				wait, err = r.table.Due(ctx, r.known, r.name, !r.held.Suspects())
			}
			r.complain(ctx, &p, err)
		}
		full := len(rows) >= free
		timer.Reset(p.Next(wait, len(rows) > 0, full || err != nil))
		var freed chan struct{}
		if full {
			freed = r.freed
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			p.Woken()
		case <-freed:
		case <-timer.C:
		}
	}
}

// complain logs that the database cannot be asked, not each time.
func (r *run) complain(ctx context.Context, p *rhythm.Pace, err error) {
	if err == nil || ctx.Err() != nil {
		p.Failures = 0
		return
	}
	if p.Failures++; p.Failures%10 == 1 {
		r.log.WarnContext(ctx, "saga: the database cannot be asked for what is due", "error", err, "failures", p.Failures)
	}
}

// keep extends the leases until ctx ends.
func (r *run) keep(ctx context.Context) {
	tick := time.NewTicker(Beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if r.held.Count() == 0 {
			continue
		}
		for _, late := range r.held.Overdue(time.Now()) {
			at := table.Row{Name: late.Name, ID: late.ID, Step: late.Step, Undoing: late.Undoing, Fence: late.Fence}
			r.logOf(&at).WarnContext(watch.WithTrace(r.steps, late.Trace), "saga: a step goes on after its time: it does not heed its context", "timeout", late.Timeout)
		}
		r.beatOnce(ctx)
	}
}

func (r *run) beatOnce(beats context.Context) {
	ctx, cancel := context.WithTimeout(beats, Lease/2)
	defer cancel()
	asked := time.Now()
	fences, err := r.table.Beat(ctx, r.name)
	if err == nil {
		for k, fence := range r.held.Renew(fences, asked) {
			err = errors.Join(err, r.table.LetGo(ctx, k, fence, 0))
		}
	}
	if err != nil && beats.Err() == nil {
		r.log.WarnContext(ctx, "saga: leases could not be extended", "error", err)
	}
}

// free says that a worker is free again.
func (r *run) free() {
	select {
	case r.freed <- struct{}{}:
	default: // that is known
	}
}

// carryOn takes a saga step by step as far as it goes. It returns its definition when all that
// became of it is recorded: then j says what was last.
func (r *run) carryOn(j *job) *plan.Definition {
	at := &j.at
	d, upgraded, err := r.upgrade(*at)
	*at = upgraded
	if err != nil {
		if !errors.Is(err, table.ErrLost) {
			r.logOf(at).WarnContext(watch.WithTrace(r.steps, at.Trace), "saga: its upgrade could not be recorded; it will be tried again", "error", err)
		}
		r.leave(at)
		return nil
	}
	if at.State == table.Paused {
		return nil
	}
	*at = d.Settle(*at)
	suspected := at.Lost >= table.Suspect
	for {
		j.lease.Comes(at)
		if suspected && at.Lost == 0 {
			suspected = false
			r.Wake() // the next one that is suspected may be carried on
		}
		if at.Lost > 0 {
			r.logOf(at).WarnContext(watch.WithTrace(r.steps, at.Trace), "saga: taken over: its last holder ended in the middle of the step", "in_a_row", at.Lost)
		}
		waits, err := r.try(d, j)
		if waits {
			return nil
		}
		if err != nil {
			if !errors.Is(err, table.ErrLost) {
				r.logOf(at).WarnContext(watch.WithTrace(r.steps, at.Trace), "saga: what the step came to could not be recorded; it will be tried again", "error", err)
			}
			r.leave(at)
			return nil
		}
		if j.to.After > 0 {
			r.Wake() // to look when it is due
		}
		if j.to.Owner == "" {
			return d
		}
		*at = j.to
		at.Lost, at.Same = 0, false // something is recorded
	}
}

// logOf returns a log that says what it is about. It is made when there is something to say.
func (r *run) logOf(at *table.Row) *slog.Logger {
	return r.log.With("saga", at.Name, "id", at.ID, "step", at.Step, "undo", at.Undoing, "fence", at.Fence)
}

// leave lets go of a saga after an error, if that can be; else the lease ends.
func (r *run) leave(at *table.Row) {
	ctx, cancel := r.settle(r.until)
	defer cancel()
	if err := r.table.LetGo(ctx, at.Key(), at.Fence, time.Second); err != nil {
		r.logOf(at).Warn("saga: the lease could not be ended; it will by itself", "error", err)
	}
}
