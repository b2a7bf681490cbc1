package saga

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
)

// How an engine stops, counted from the end of its context. Who ends the process waits
// about ten seconds.
const (
	grace   = 2 * time.Second // then the contexts of the steps in hand end
	books   = 7 * time.Second // then nothing more is written
	patient = 8 * time.Second // then it does not wait for them any longer
)

const settleTime = 5 * time.Second // for what is to be written when a step has ended

// settle returns a context for what is to be written though ctx may have ended.
func (r *run) settle(ctx context.Context) (settle context.Context, cancel func()) {
	settle, end := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	stop := context.AfterFunc(r.writes, end)
	if r.writes.Err() != nil { // AfterFunc would be too late for who asks at once
		end()
	}
	return settle, func() {
		stop()
		end()
	}
}

// settling is a context for what is written to the table of sagas, though that of the step may have
// ended: it ends with the run's books, and has the values of the step's. The table bounds
// how long it takes.
type settling struct {
	context.Context //nolint:containedctx // it is one

	values context.Context //nolint:containedctx // it is half of this one
}

func (s settling) Value(key any) any { return s.values.Value(key) }

// AfterFunc spares package context a goroutine: it cannot see what this is made of.
func (s settling) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(s.Context, f) }

// finish waits for the steps in hand. Its error names those that did not end.
func (r *run) finish(cut, closeBooks context.CancelFunc) error {
	done := make(chan struct{})
	go func() { // its end is that of the last step
		defer close(done)
		r.worker.Wait()
	}()
	cutting, closing, late := time.AfterFunc(grace, cut), time.AfterFunc(books, closeBooks), time.NewTimer(patient)
	defer cutting.Stop()
	defer closing.Stop()
	defer late.Stop()
	select {
	case <-done:
		return nil
	case <-late.C:
	}
	left := r.held.Places()
	if len(left) == 0 { // just now
		return nil
	}
	const most = 5
	n, more := len(left), ""
	if n > most {
		left, more = left[:most], fmt.Sprintf(", and %d more", n-most)
	}
	return fmt.Errorf("saga: %d steps did not end within %s, though their contexts did: %s%s: have them heed their contexts", n, patient, strings.Join(left, ", "), more)
}

// ended tells that a saga has ended, if it has.
func (e *Engine) ended(ctx context.Context, d *plan.Definition, from, to *table.Row) {
	e.meters.Ended(ctx, from, to)
	if d.Ended != nil && to.Ended() && !from.Ended() {
		d.Ended(to.ID, to.State)
	}
}
