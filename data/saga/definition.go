package saga

import (
	"context"
	"reflect"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
)

func (s *Saga[T]) define() *plan.Definition {
	d := &plan.Definition{Name: s.Name, Version: s.Version, Pivot: len(s.Steps) - 1, Data: reflect.TypeFor[T](), Ended: s.Ended}
	d.Load = func(recorded []byte) error { return table.Decode(recorded, new(T)) }
	d.Given = table.Given[T]
	d.From, d.Upgrade = s.From, upgrade(s.Upgrade)
	found := false
	for i, step := range s.Steps {
		if step == nil { // the lint says so
			d.Steps = append(d.Steps, plan.Step{})
			continue
		}
		def := step.define()
		if def.Pivot && !found {
			d.Pivot, found = i, true
		}
		d.Steps = append(d.Steps, def)
	}
	if s.Completed != nil {
		d.Completed = typed(s.Completed)
	}
	if s.Compensated != nil {
		d.Compensated = typed(func(ctx context.Context, t tx.Tx, data *T) error {
			reason, _ := ctx.Value(reasonKey{}).(string)
			return s.Compensated(ctx, t, data, reason)
		})
	}
	return d
}

type reasonKey struct{}

func (s *Saga[T]) bind(e *Engine) bool { return s.engine.CompareAndSwap(nil, e) }

func (l Local[T]) define() plan.Step {
	return plan.Step{
		Name: l.Name, Local: true, Pivot: l.Pivot, NoUndo: l.NoUndo, Timeout: l.Timeout,
		Do: typed(l.Do), Undo: typed(l.Undo),
	}
}

func (r Remote[T]) define() plan.Step {
	return plan.Step{
		Name: r.Name, Pivot: r.Pivot, NoUndo: r.NoUndo, Timeout: r.Timeout,
		Do: typed(alone(r.Do)), Undo: typed(alone(r.Undo)),
	}
}

// alone is fn of a Remote step, which gets no transaction.
func alone[T any](fn func(ctx context.Context, data *T) error) func(context.Context, tx.Tx, *T) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, _ tx.Tx, data *T) error { return fn(ctx, data) }
}

// typed reads the data, runs fn and writes them. What fn returns is judged by others;
// the data are those that it left.
func typed[T any](fn func(ctx context.Context, t tx.Tx, data *T) error) plan.Work {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, t tx.Tx, recorded []byte) ([]byte, error) {
		var data T
		if err := table.Decode(recorded, &data); err != nil {
			return recorded, Bug(err)
		}
		err := guarded(func() error { return fn(ctx, t, &data) })
		if panicked(err) { // what it left is half done
			return recorded, err
		}
		changed, wrong := table.Encode(data)
		if wrong != nil {
			return recorded, Bug(wrong)
		}
		return changed, err
	}
}
