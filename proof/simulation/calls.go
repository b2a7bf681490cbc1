package simulation

import (
	"context"
	"errors"
	"time"

	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/problem"
	"github.com/musterdev/muster/proof/simulation/database"
)

// call asks one of some processes for something. The request, or its answer, may be lost, and
// the request may arrive once more, later, when nobody waits for it.
func (p *Process) call(ctx context.Context, what string, places []int, serve func(ctx context.Context, at *Process) error) error {
	w := p.world
	answered := make(chan error, 1)
	err := p.Pass(ctx, ask, what, nil, func() error {
		arrive := func(reply func(error)) {
			at := w.alive[places[w.rng.IntN(len(places))]]
			if at.Dead() {
				reply(problem.Wrap(errUnreachable, problem.Unavailable, "nobody answers"))
				return
			}
			w.all.Go(func() {
				const most = 5 * time.Second
				within, cancel := context.WithTimeout(at.ctx, most)
				defer cancel()
				err := serve(within, at)
				if at.Dead() {
					err = problem.Wrap(database.ErrGone, problem.Unavailable, "the connection was reset")
				}
				reply(err)
			})
		}
		if !w.quietly && w.rng.Float64() < w.plan.fickle {
			w.after(time.Duration(w.rng.IntN(6000))*time.Millisecond, what+" arrives once more", func() { arrive(func(error) {}) })
		}
		arrive(func(err error) { answered <- err })
		return nil
	})
	if err != nil {
		return lost(err)
	}
	select {
	case err = <-answered:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if gate := p.Pass(ctx, answer, what, nil, func() error { return nil }); gate != nil {
		return lost(gate)
	}
	return err
}

// lost makes of a broken connection what a client makes of it.
func lost(err error) error {
	if errors.Is(err, database.ErrLost) {
		return saga.Unknown(err)
	}
	return err
}
