package projection

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

// How a projection goes.
const (
	look   = 500 * time.Millisecond // how often each replica reads which builds there are
	failed = 5 * time.Second        // the pause after the database failed, or while a build is hindered
)

// member is the consumer of one build.
type member struct {
	consumer *bus.Consumer
	stop     context.CancelFunc
	done     chan struct{}
}

// Run makes the first build of this code if there is none, feeds the builds of this code, puts a build in the place of the one
// before it when it is complete, and drops what nobody reads. It returns when ctx ends, with nil, after the handlers in hand
// have had the time that bus.Consumer gives them. Failures of the database and of the broker are logged and tried again; an error is returned for
// what no further try can mend: a missing table of Migrate, no handler. It runs once, in each replica.
//
// A build is fed by replicas of its own code only. To have the one that is read go on while that of new code grows, keep its
// replicas until the new one is live, or run both codes in one process: two Projections of one Name and two Builds.
func (p *Projection) Run(ctx context.Context) error {
	p.mu.Lock()
	started := p.started
	p.started = true
	p.mu.Unlock()
	switch {
	case started:
		return fmt.Errorf("projection: %s was run before: make another", p.Name)
	case len(p.routes) == 0:
		return fmt.Errorf("projection: %s handles nothing: call On", p.Name)
	}
	if err := p.observe(); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var all sync.WaitGroup
	all.Go(func() { p.decide(ctx, end) })
	for wait := look; ctx.Err() == nil; wait = look {
		switch err := p.keep(ctx); {
		case ctx.Err() != nil:
		case migrate.Missing(err, "muster_"):
			end(err)
		case err != nil:
			p.log.ErrorContext(ctx, "the read model is not kept in order, and will be", "error", err, "in", failed)
			wait = failed
		}
		pause(ctx, wait, p.bell)
	}
	for _, m := range p.running() {
		m.stop()
	}
	for _, m := range p.running() {
		<-m.done
	}
	all.Wait()
	if err := context.Cause(ctx); migrate.Missing(err, "muster_") {
		return err
	}
	return nil
}

func (p *Projection) running() map[string]*member {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.members)
}

// keep has a consumer of each build of this code that is wanted, and says that it is used.
func (p *Projection) keep(ctx context.Context) error {
	all, err := p.builds(ctx, p.DB)
	if err != nil {
		return err
	}
	wanted, own := p.wanted(all)
	if !own {
		if err := p.ensure(ctx); err != nil {
			return err
		}
		p.wake()
		return nil
	}
	for label, m := range p.running() {
		if !wanted[label] {
			m.stop()
		}
	}
	used := map[string]bool{}
	for _, b := range all {
		if wanted[b.label] {
			used[b.label] = true
			if err := p.join(ctx, b); err != nil {
				return err
			}
		}
	}
	if b := read(all, p.Build); b != nil {
		used[b.label] = true
	}
	if err := p.use(ctx, all, used); err != nil {
		return err
	}
	p.measure(ctx)
	return nil
}

// wanted returns which builds are to be fed here, and whether there is any of this code.
func (p *Projection) wanted(all []build) (labels map[string]bool, own bool) {
	labels = map[string]bool{}
	for _, b := range all { // the latest first
		if b.code != p.Build || b.state == dropped {
			continue
		}
		labels[b.label], own = true, true
		if b.state == live {
			break // earlier ones are not read any more
		}
	}
	return labels, own
}

// use says from time to time that builds are used, so that nobody drops them.
func (p *Projection) use(ctx context.Context, all []build, used map[string]bool) error {
	touch := `UPDATE muster_projection_build SET seen = ` + p.dialect.Now() + ` WHERE projection = $1 AND build = $2` //nolint:gosec // a constant of the dialect
	for _, b := range all {
		if !used[b.label] || b.now-b.seen <= p.Grace.Milliseconds()/4 {
			continue
		}
		if _, err := p.DB.ExecContext(ctx, touch, p.Name, b.label); err != nil {
			return explained(err)
		}
	}
	return nil
}

// join has a consumer of a build, if there is none here.
func (p *Projection) join(ctx context.Context, b build) error {
	if p.running()[b.label] != nil {
		return nil
	}
	c := &bus.Consumer{
		Broker: p.Broker, Group: p.groupOf(b.label), Parking: p.Parking, Retry: p.Retry, Workers: p.Workers,
		Log: p.log.With("build", b.label), Traces: p.Traces, Meters: p.Meters,
	}
	for _, r := range p.routes {
		if err := c.On(r.topic, r.handler(b.view(), b.label)); err != nil {
			return fmt.Errorf("projection: %w", err)
		}
	}
	ctx, stop := context.WithCancel(ctx)
	m := &member{consumer: c, stop: stop, done: make(chan struct{})}
	p.mu.Lock()
	p.members[b.label] = m
	p.mu.Unlock()
	go func() {
		defer close(m.done)
		defer stop()
		if err := c.Run(ctx); err != nil {
			p.log.ErrorContext(ctx, "the read model's consumer ended, and begins again", "build", b.label, "error", err)
			pause(ctx, failed, nil)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.members, b.label)
		delete(p.lags, b.label)
	}()
	return nil
}

// measure asks how far the builds that are fed here are behind.
func (p *Projection) measure(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, patience) // a broker that is away is waited for
	defer cancel()
	for label, m := range p.running() {
		lag, err := m.consumer.Lag(ctx)
		if err != nil {
			continue // not yet, or not now
		}
		p.mu.Lock()
		if p.members[label] == m {
			p.lags[label] = lag
		}
		p.mu.Unlock()
	}
}

// decide judges the builds of this code while it holds the lease of that.
func (p *Projection) decide(ctx context.Context, end context.CancelCauseFunc) {
	name := fmt.Sprintf("projection/%s/%d", p.Name, p.Build)
	for ctx.Err() == nil {
		err := lease.Run(ctx, p.DB, name, p.Owner, func(ctx context.Context, h lease.Held) error {
			for ctx.Err() == nil {
				wait, err := p.judgeAll(ctx, h)
				if err != nil {
					return err
				}
				pause(ctx, wait, nil)
			}
			return context.Cause(ctx)
		})
		switch {
		case ctx.Err() != nil:
		case migrate.Missing(err, "muster_"):
			end(err)
		case err != nil && !errors.Is(err, lease.ErrLost):
			p.log.ErrorContext(ctx, "nobody decided over the builds of the read model, and will", "error", err, "in", failed)
			pause(ctx, failed, nil)
		}
	}
}

// judgeAll judges what grows and ends what is not read any more.
func (p *Projection) judgeAll(ctx context.Context, h lease.Held) (wait time.Duration, err error) {
	all, err := p.builds(ctx, p.DB)
	if err != nil {
		return 0, err
	}
	wait = look
	for _, b := range all {
		if b.state != building || b.code != p.Build {
			continue
		}
		hindered, err := p.judge(ctx, h, b, all)
		if err != nil {
			return 0, err
		}
		if hindered {
			wait = failed
		}
	}
	for _, b := range all {
		if !p.outlived(b, all) {
			continue
		}
		if err := p.do(ctx, func(ctx context.Context, t tx.Tx) error {
			if err := h.Check(ctx, t); err != nil {
				return err
			}
			var seen int64
			err := t.QueryRowContext(ctx, `SELECT seen FROM muster_projection_build WHERE projection = $1 AND build = $2`, p.Name, b.label).Scan(&seen)
			if err != nil || seen != b.seen { // one has just begun to use it again
				return explained(err)
			}
			return p.drop(ctx, t, b)
		}); err != nil {
			return 0, err
		}
	}
	return wait, p.sweep(ctx)
}

// outlived reports whether a build is of no use: a later one that this code can judge is live for long enough, and no replica
// has used this one for as long.
func (p *Projection) outlived(b build, all []build) bool {
	grace := p.Grace.Milliseconds()
	if b.state == dropped || b.now-b.seen < grace {
		return false
	}
	for _, o := range all {
		if o.state == live && o.code <= p.Build && o.after(b) && o.now-o.swapped >= grace {
			return true
		}
	}
	return false
}

var _ querier = (*sql.DB)(nil)
