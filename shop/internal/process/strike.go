package process

import (
	"context"
	"strings"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

// Strike is called before and after all that a service does, with a name of that
// moment: "before do pay", "after payments.captured". What it returns fails what is
// being done: after a Remote step its effect stays, after all else it is rolled back.
type Strike func(moment string) error

// Of returns a Strike for one of several sagas, whose name precedes the step's.
func (s Strike) Of(saga string) Strike {
	return func(moment string) error {
		when, what, _ := strings.Cut(moment, " ")
		return s(when + " " + saga + " " + what)
	}
}

// Around has strike called around the steps and the end of a saga. It is for before
// the saga is given to an engine.
func Around[T any](s *saga.Saga[T], strike Strike) *saga.Saga[T] {
	for i, step := range s.Steps {
		switch step := step.(type) {
		case saga.Local[T]:
			step.Do, step.Undo = local(strike, "do "+step.Name, step.Do), local(strike, "undo "+step.Name, step.Undo)
			s.Steps[i] = step
		case saga.Remote[T]:
			step.Do, step.Undo = remote(strike, "do "+step.Name, step.Do), remote(strike, "undo "+step.Name, step.Undo)
			s.Steps[i] = step
		}
	}
	if end := s.Compensated; end != nil {
		s.Compensated = func(ctx context.Context, t tx.Tx, data *T, reason string) error {
			return strike.around("end", func() error { return end(ctx, t, data, reason) })
		}
	}
	return s
}

// Handler has strike called around a handler.
func Handler[T any](strike Strike, topic bus.Topic[T], fn func(context.Context, tx.Tx, T) error) func(context.Context, tx.Tx, T) error {
	return func(ctx context.Context, t tx.Tx, event T) error {
		return strike.around(topic.Name, func() error { return fn(ctx, t, event) })
	}
}

func local[T any](strike Strike, name string, fn func(context.Context, tx.Tx, *T) error) func(context.Context, tx.Tx, *T) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, t tx.Tx, data *T) error {
		return strike.around(name, func() error { return fn(ctx, t, data) })
	}
}

func remote[T any](strike Strike, name string, fn func(context.Context, *T) error) func(context.Context, *T) error {
	if fn == nil {
		return nil
	}
	return func(ctx context.Context, data *T) error {
		return strike.around(name, func() error { return fn(ctx, data) })
	}
}

func (s Strike) around(name string, fn func() error) error {
	if err := s("before " + name); err != nil {
		return err
	}
	err := fn()
	if struck := s("after " + name); struck != nil {
		return struck
	}
	return err
}
