package saga

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

const (
	grace      = 2 * time.Second // for the steps in hand when the engine stops
	settleTime = 5 * time.Second // for what is still to be written then, and for a beat
)

// run is one run of an engine.
type run struct {
	*Engine
	name   string          // what the table has as owner: another for each run
	until  context.Context //nolint:containedctx // ends when no new step is to begin
	steps  context.Context //nolint:containedctx // ends when those in hand are to
	held   leases
	freed  chan struct{}
	worker sync.WaitGroup
}

// Run carries on sagas until ctx ends; then it lets go of what it holds, so that
// others, or this one started anew, go on at once. Steps in hand are given two seconds
// to end before their contexts are; Run waits for them. It returns nil when ctx has
// ended, and an error at once when it is running already or the tables are missing.
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
	r := &run{
		Engine: e, name: e.owner + "/" + rand.Text()[:8], until: ctx, steps: steps,
		held: leases{list: map[table.Key]*lease{}}, freed: make(chan struct{}, 1),
	}
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		r.keep(steps)
	}()
	r.claimAll(ctx)
	stopped := time.AfterFunc(grace, cut)
	r.worker.Wait()
	stopped.Stop()
	cut()
	<-beats
	settle, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
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
	if err != nil && table.Missing(err) {
		return err
	}
	return nil
}

// claimAll has free workers carry on what is due, until ctx ends.
func (r *run) claimAll(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	p := pace{}
	for {
		free := r.workers - r.held.count()
		var rows []table.Row
		var err error
		wait := table.Window
		if free > 0 {
			asked := time.Now()
			if rows, err = r.table.Claim(ctx, r.known, r.name, free); err == nil && len(rows) < free {
				wait, err = r.table.Due(ctx, r.known, r.name)
			}
			for _, claimed := range rows {
				r.begin(claimed, asked)
			}
			r.complain(ctx, &p, err)
		}
		full := len(rows) >= free
		timer.Reset(p.next(wait, len(rows) > 0, full || err != nil))
		var freed chan struct{}
		if full {
			freed = r.freed
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
			p.woken()
		case <-freed:
		case <-timer.C:
		}
	}
}

// complain logs that the database cannot be asked, not each time.
func (r *run) complain(ctx context.Context, p *pace, err error) {
	if err == nil || ctx.Err() != nil {
		p.failures = 0
		return
	}
	if p.failures++; p.failures%10 == 1 {
		r.log.WarnContext(ctx, "saga: the database cannot be asked for what is due", "error", err, "failures", p.failures)
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
		if r.held.count() == 0 {
			continue
		}
		r.beatOnce(ctx)
	}
}

func (r *run) beatOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, Lease/2)
	defer cancel()
	asked := time.Now()
	fences, err := r.table.Beat(ctx, r.name)
	if err == nil {
		for k, fence := range r.held.renew(fences, asked) {
			err = errors.Join(err, r.table.LetGo(ctx, k, fence, 0))
		}
	}
	if err != nil && r.steps.Err() == nil {
		r.log.WarnContext(ctx, "saga: leases could not be extended", "error", err)
	}
}

// begin has a worker carry on a saga that was claimed.
func (r *run) begin(claimed table.Row, asked time.Time) {
	held := r.held.add(claimed, asked)
	r.worker.Go(func() {
		defer func() {
			r.held.remove(claimed, held)
			select {
			case r.freed <- struct{}{}:
			default:
			}
		}()
		r.carryOn(claimed, held)
	})
}

// carryOn takes a saga step by step as far as it goes.
func (r *run) carryOn(at table.Row, held *lease) {
	d := r.defs[at.Definition()]
	at = d.Settle(at)
	for {
		log := r.log.With("saga", at.Name, "id", at.ID, "step", at.Step, "undo", at.Undoing, "fence", at.Fence)
		to, err := r.step(d, at, held, log)
		if err != nil {
			if !errors.Is(err, table.ErrLost) {
				log.Warn("saga: what the step came to could not be recorded; it will be tried again", "error", err)
			}
			r.leave(at, log)
			return
		}
		if to.After > 0 {
			r.Wake() // to look when it is due
		}
		if to.Owner == "" {
			return
		}
		at = to
	}
}

// leave lets go of a saga after an error, if that can be; else the lease ends.
func (r *run) leave(at table.Row, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.until), settleTime)
	defer cancel()
	if err := r.table.LetGo(ctx, at.Key(), at.Fence, time.Second); err != nil {
		log.Warn("saga: the lease could not be ended; it will by itself", "error", err)
	}
}
