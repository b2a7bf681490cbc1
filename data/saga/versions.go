package saga

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/musterdev/muster/data/saga/internal/plan"
	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/saga/internal/watch"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/problem"
)

// Old is a saga under way that began with an earlier version.
type Old struct {
	Version  int
	ID       string
	Step     string // at hand, by the names of that version; "end" when only the hook is left
	Undoing  bool   // it goes back
	recorded []byte
}

// DataOf reads the data of a saga that began with an earlier version, as the type that they
// had then.
func DataOf[T any](o Old) (data T, err error) {
	err = table.Decode(o.recorded, &data)
	return data, err
}

// upgrade is fn without its type parameter.
func upgrade[T any](fn func(Old) (string, T, error)) func(table.Row) (string, []byte, error) {
	if fn == nil {
		return nil
	}
	return func(r table.Row) (step string, recorded []byte, err error) {
		var data T
		err = guarded(func() (err error) {
			step, data, err = fn(Old{Version: r.Version, ID: r.ID, Step: r.Step, Undoing: r.Undoing, recorded: r.Data})
			return err
		})
		if err == nil {
			recorded, err = table.Encode(data)
		}
		return step, recorded, err
	}
}

// inherit finds who carries on the versions that have no definition any more, and returns what is wrong
// with that.
func (e *Engine) inherit() error {
	var wrong []error
	for _, v := range slices.Clone(e.known) {
		d := e.defs[v]
		for _, number := range d.From {
			from := table.Version{Name: v.Name, Number: number}
			switch heir := e.heirs[from]; {
			case e.defs[from] != nil:
				wrong = append(wrong, fmt.Errorf("saga: %q version %d takes over version %d, which is defined too: take the one or the other away", v.Name, v.Number, number))
			case heir != nil:
				wrong = append(wrong, fmt.Errorf("saga: %q versions %d and %d both take over version %d: let one do it", v.Name, heir.Version, v.Number, number))
			default:
				e.heirs[from] = d
				e.known = append(e.known, from)
			}
		}
	}
	return errors.Join(wrong...)
}

// errUnknown says that there is nothing to carry a saga on by.
var errUnknown = errors.New("this build does not know its version")

// heir is the saga as it goes on by a later version.
func (e *Engine) heir(r table.Row) (*plan.Definition, table.Row, error) {
	d := e.heirs[r.Definition()]
	if d == nil {
		return nil, r, errUnknown
	}
	to, err := d.Inherit(r)
	return d, to, err
}

// upgrade brings a saga that was claimed to a version that has a definition. One that cannot be is
// paused.
func (r *run) upgrade(at table.Row) (*plan.Definition, table.Row, error) {
	if d := r.defs[at.Definition()]; d != nil {
		return d, at, nil
	}
	d, to, err := r.heir(at)
	why := &Event{Outcome: "upgraded", Why: fmt.Sprintf("from version %d to %d", at.Version, to.Version)}
	if err != nil {
		o := plan.Judge(Bug(fmt.Errorf("the upgrade from version %d: %w", at.Version, err)))
		to = at
		to.State, to.Owner, to.Err, to.Attempts = Paused, "", o.Text, at.Attempts+1
		why = &Event{Outcome: string(o.Kind), Error: o.Text}
		r.logOf(&at).ErrorContext(watch.WithTrace(r.steps, at.Trace), "saga: paused: its upgrade failed", "error", o.Text)
	}
	if err := r.table.Save(settling{r.writes, r.steps}, at, to, why); err != nil {
		return d, at, err
	}
	return d, to, nil
}

// current brings a saga that is locked to a version that has a definition; d is nil when
// there is none.
func (e *Engine) current(ctx context.Context, t tx.Tx, r table.Row) (d *plan.Definition, at table.Row, err error) {
	if d := e.defs[r.Definition()]; d != nil {
		return d, d.Settle(r), nil
	}
	d, to, err := e.heir(r)
	switch {
	case errors.Is(err, errUnknown):
		return nil, r, nil
	case err != nil:
		return nil, r, problem.Wrap(err, problem.FailedPrecondition, "saga %s %s has version %d, and its upgrade fails: %s", r.Name, r.ID, r.Version, err)
	case r.Ended():
		return d, r, nil
	case r.Held:
		return nil, r, ErrBusy // whoever holds it upgrades it
	}
	to.Owner = ""
	err = e.table.Write(ctx, t, r, to, &Event{Outcome: "upgraded", Why: fmt.Sprintf("from version %d to %d", r.Version, to.Version)})
	return d, to, err
}

// Stranded are sagas under way that this build cannot carry on.
type Stranded = plan.Stranded

// Check returns the sagas under way that this build could not carry on: of a version that it neither has
// nor takes over, at a step that it does not have, or with data that it cannot read or
// upgrade. Before a deployment it is asked of the new build, against the
// database that the old one works on: it changes nothing.
func (e *Engine) Check(ctx context.Context) ([]Stranded, error) {
	type kind struct {
		table.Version

		step    string
		undoing bool
	}
	index := map[kind]int{}
	var list []Stranded
	err := e.table.Running(ctx, func(r table.Row) {
		err := e.loadable(r)
		if err == nil {
			return
		}
		k := kind{r.Definition(), r.Step, r.Undoing}
		i, seen := index[k]
		if !seen {
			i = len(list)
			index[k] = i
			list = append(list, Stranded{Name: r.Name, Version: r.Version, Step: r.Step, Undoing: r.Undoing, ID: r.ID, Why: err.Error()})
		}
		list[i].Sagas++
	})
	return list, err
}

// loadable says why a saga cannot be carried on.
func (e *Engine) loadable(r table.Row) error {
	d := e.defs[r.Definition()]
	if d == nil {
		_, _, err := e.heir(r)
		return err
	}
	if _, _, err := d.Work(r); err != nil {
		return err
	}
	return d.Load(r.Data)
}
