package instance

import (
	"context"
	"sync"
)

// Trial is the time until several instances were all ready: when one fails, all
// have failed. Its methods may be called concurrently.
type Trial struct {
	ctx  context.Context //nolint:containedctx // it is the trial's own life, and carries why it failed
	fail context.CancelCauseFunc
	work sync.WaitGroup

	mu  sync.Mutex
	all []*Instance
}

// NewTrial begins a trial, which fails when ctx ends. Close it.
func NewTrial(ctx context.Context) *Trial {
	t := &Trial{}
	t.ctx, t.fail = context.WithCancelCause(ctx)
	return t
}

// Context returns what ends when the trial does; its cause is why it failed.
func (t *Trial) Context() context.Context { return t.ctx }

// Fail ends the trial badly; the first reason counts.
func (t *Trial) Fail(err error) { t.fail(err) }

// Close ends the trial.
func (t *Trial) Close() { t.fail(nil) }

// Go does something that Wait waits for.
func (t *Trial) Go(do func()) { t.work.Go(do) }

// Watch makes the trial end well only if i, which was started on trial, becomes
// ready and lives until Settle.
func (t *Trial) Watch(i *Instance) {
	t.mu.Lock()
	t.all = append(t.all, i)
	t.mu.Unlock()
	t.work.Go(func() {
		if err := i.Await(t.ctx); err != nil {
			t.fail(err)
		}
	})
	context.AfterFunc(i.ctx, func() { // it was ready, and died while others still start
		if err := i.Err(); err != nil {
			t.fail(err)
		}
	})
}

// Wait waits until all who are watched are ready and all that was begun is done,
// and returns why not.
func (t *Trial) Wait() error {
	t.work.Wait()
	return context.Cause(t.ctx)
}

// Settle ends the trial well: from now on a death is followed by another start. It
// returns the failure of one who died before.
func (t *Trial) Settle() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, i := range t.all {
		i.Settle()
		if err := i.Err(); err != nil {
			return err
		}
	}
	return nil
}
