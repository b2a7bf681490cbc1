// Package plan decides how a saga goes on: from its definition, the row it has, and
// what a try of its step came to. It does nothing itself.
package plan

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
	"github.com/musterdev/muster/data/tx"
)

// DefaultTimeout is how long a try may take of a step that says nothing of it.
const DefaultTimeout = 10 * time.Second

// Work is a function of a step or a hook, with the data as they are recorded. The
// transaction is nil for a Remote step.
type Work func(ctx context.Context, t tx.Tx, data []byte) ([]byte, error)

// Definition is a saga without its type parameter.
type Definition struct {
	Name                   string
	Version                int
	Steps                  []Step
	Pivot                  int // index
	Completed, Compensated Work
	Ended                  func(id string, state table.State) // nil for none
	Load                   func(data []byte) error            // says why data cannot be read
	Given                  func(json.RawMessage) (data []byte, err error)
	From                   []int // earlier versions that Upgrade takes
	Upgrade                func(table.Row) (step string, data []byte, err error)
	Data                   reflect.Type
}

// Step is one of its steps.
type Step struct {
	Name                 string
	Local, Pivot, NoUndo bool
	Do, Undo             Work // nil for none
	Timeout              time.Duration
}

// Find returns the index of a step, len(d.Steps) for the end, -1 for none.
func (d *Definition) Find(step string) int {
	if step == table.End {
		return len(d.Steps)
	}
	for i := range d.Steps {
		if d.Steps[i].Name == step {
			return i
		}
	}
	return -1
}

// Settle decides a doubt that depends on the step at hand: what its last holder left in
// the middle may have had an effect when it is Remote, and was rolled back when not.
func (d *Definition) Settle(r table.Row) table.Row {
	if i := d.Find(r.Step); r.Abandoned && i >= 0 && i < len(d.Steps) && !d.Steps[i].Local {
		r.Doubt = true
	}
	r.Abandoned = false
	return r
}

// Work finds what is to be done for a saga, with the step's timeout. An error says that
// the definition is not the one that the saga was carried out by so far.
func (d *Definition) Work(at table.Row) (Step, Work, error) {
	if at.Step == table.End {
		hook := Step{Name: table.End, Local: true, Timeout: DefaultTimeout}
		do := d.Completed
		if at.Undoing {
			do = d.Compensated
		}
		if do == nil { // it was there when the saga came here
			do = func(_ context.Context, _ tx.Tx, data []byte) ([]byte, error) { return data, nil }
		}
		return hook, do, nil
	}
	const changed = "version %d of %q was changed while sagas were running: raise the version with every change of the steps"
	i := d.Find(at.Step)
	if i < 0 {
		return Step{}, nil, fmt.Errorf("there is no step %q: "+changed, at.Step, d.Version, d.Name)
	}
	step, do := d.Steps[i], d.Steps[i].Do
	if at.Undoing {
		do = step.Undo
	}
	if do == nil {
		return Step{}, nil, fmt.Errorf("step %q has no Undo: "+changed, at.Step, d.Version, d.Name)
	}
	if step.Timeout == 0 {
		step.Timeout = DefaultTimeout
	}
	return step, do, nil
}
