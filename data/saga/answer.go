package saga

import (
	"context"
	"reflect"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

func (s *Saga[T]) answer(ctx context.Context, t tx.Tx, id, step string, undo bool, result error, update func(data *T)) error {
	e := s.engine.Load()
	if e == nil {
		return errNoOwner
	}
	o := plan.Judge(result)
	if o.Kind == plan.Waits {
		return problem.New(problem.InvalidArgument, "saga: an answer cannot be to wait")
	}
	r, err := e.table.Lock(ctx, t, s.Name, id)
	if err != nil {
		return err
	}
	d, r, err := e.current(ctx, t, r)
	if err != nil {
		return err
	}
	if d == nil {
		return problem.New(problem.Unavailable, "saga %s %s has version %d, which this build does not know: answer where it is known", r.Name, r.ID, r.Version)
	}
	switch come, err := d.Come(r, step, undo); {
	case err != nil:
		return err
	case !come:
		e.log.DebugContext(ctx, "saga: an answer came again, or late: it changes nothing", "saga", r.Name, "id", r.ID, "step", step, "undo", undo)
		return nil
	case r.Held:
		return ErrBusy
	}
	from := r
	if update != nil {
		if d.Data != reflect.TypeFor[T]() {
			return problem.New(problem.FailedPrecondition, "saga %s %s has version %d with data of type %s: answer with the Saga of that version", r.Name, r.ID, r.Version, d.Data)
		}
		if r.Data, err = changed(r.Data, update); err != nil {
			return err
		}
	}
	var to table.Row
	if o.Kind == plan.Done {
		to = d.Next(r)
	} else {
		to, o = d.Fail(r, o)
	}
	to.Owner, to.Fence = "", r.Fence+1
	if err := e.table.Write(ctx, t, from, to, &Event{Outcome: string(o.Kind), Error: o.Text, Why: "answered"}); err != nil {
		return err
	}
	trace.SpanFromContext(ctx).SetAttributes(append(watch.About(from), attribute.String("muster.saga.outcome", string(o.Kind)))...)
	e.wakeAfter(ctx)
	if to.Ended() {
		tx.AfterCommit(ctx, func() { e.ended(ctx, d, &from, &to) }) // false: nobody is told
	}
	return nil
}

// changed is the data after an update.
func changed[T any](recorded []byte, update func(data *T)) ([]byte, error) {
	var data T
	if err := table.Decode(recorded, &data); err != nil {
		return nil, err
	}
	if err := guarded(func() error { update(&data); return nil }); err != nil {
		return nil, err
	}
	return table.Encode(data)
}
