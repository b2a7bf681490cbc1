package resilience

import (
	"context"
	"sync"
	"time"
)

// deadline is a context whose timer is started when somebody first waits for it: a
// context of package context costs several times the rest of a call's policies, and a
// call that is refused, or answered from memory, needs none.
type deadline struct {
	context.Context //nolint:containedctx // it is a context itself, and this its parent

	at     time.Time
	mu     sync.Mutex
	inner  context.Context //nolint:containedctx // made at the first Done
	cancel context.CancelFunc
	ended  bool
}

func (d *deadline) Deadline() (time.Time, bool) { return d.at, true }

func (d *deadline) Done() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inner == nil {
		d.inner, d.cancel = context.WithDeadline(d.Context, d.at)
		if d.ended {
			d.cancel()
		}
	}
	return d.inner.Done()
}

func (d *deadline) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.inner != nil:
		return d.inner.Err()
	case d.Context.Err() != nil:
		return d.Context.Err()
	case d.ended:
		return context.Canceled
	case !time.Now().Before(d.at):
		return context.DeadlineExceeded
	}
	return nil
}

// Value goes through the inner context where there is one, by which package context
// finds that it can cancel children itself, without a goroutine for each.
func (d *deadline) Value(key any) any {
	d.mu.Lock()
	inner := d.inner
	d.mu.Unlock()
	if inner != nil {
		return inner.Value(key)
	}
	return d.Context.Value(key)
}

// end frees what the context holds; whoever still waits for it is told.
func (d *deadline) end() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = true
	if d.cancel != nil {
		d.cancel()
	}
}
