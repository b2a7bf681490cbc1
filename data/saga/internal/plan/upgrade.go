package plan

import (
	"fmt"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// Inherit is a saga of an earlier version as it goes on by this one.
func (d *Definition) Inherit(r table.Row) (table.Row, error) {
	if r.Ended() {
		return r, nil
	}
	step, data, err := d.Upgrade(r)
	if err != nil {
		return r, err
	}
	doubt := r.Doubt || r.Abandoned
	to := r
	if step != r.Step { // what was said of the old one says nothing of it
		to = to.Fresh()
		to.State = r.State
	}
	to.Version, to.Step, to.Data, to.Doubt, to.Abandoned = d.Version, step, data, doubt, false
	if _, _, err := d.Work(to); err != nil {
		return r, fmt.Errorf("step %q of version %d became %q of version %d: %w", r.Step, r.Version, step, d.Version, err)
	}
	if err := d.Load(data); err != nil {
		return r, err
	}
	return to, nil
}

// Stranded are sagas under way that this build cannot carry on.
type Stranded struct {
	Name    string `json:"name"`
	Version int    `json:"version"`
	Step    string `json:"step"`
	Undoing bool   `json:"undoing"`
	Sagas   int64  `json:"sagas"`
	ID      string `json:"id"`  // of one of them
	Why     string `json:"why"` // of that one
}
