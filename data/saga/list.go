package saga

import (
	"context"
	"database/sql"
	"time"

	"github.com/musterdev/muster/data/saga/internal/table"
)

// State is where a saga stands.
type State = table.State

// The states. Completed and Compensated are final.
const (
	Running      = table.Running      // its steps are being done
	Waiting      = table.Waiting      // for the answer to a step
	Compensating = table.Compensating // its steps are being undone
	Paused       = table.Paused       // a mistake stopped it: a person is to look
	Completed    = table.Completed
	Compensated  = table.Compensated
)

type (
	// Entry is a saga as it is in the table.
	Entry = table.Entry
	// Detail is an Entry with its data and its history.
	Detail = table.Detail
	// Event is one thing that happened to a saga.
	Event = table.Event
	// Filter selects sagas. Its zero value selects all, up to a hundred.
	Filter = table.Filter
	// Count is how many sagas of a name and version are in a state.
	Count = table.Count
)

// MaxData is the most bytes that a saga's data may have as they are written.
const MaxData = table.MaxData

// Migrate creates the tables of sagas, muster_saga and others that begin so, in db or brings them up
// to date. Their version is kept apart from those of the service's own migrations.
// Any number of processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error { return table.Migrate(ctx, db) }

// Sweep deletes sagas that ended longer ago than olderThan, whatever their names, with
// their history; 0 means 30 days. An id may be started again after that. It returns how
// many it deleted. An [Engine] that runs does so by itself for the names that it knows
// ([Config].Keep): this is for those that no build knows any more.
func Sweep(ctx context.Context, db *sql.DB, olderThan time.Duration) (int64, error) {
	rows, err := table.Of(db)
	if err != nil {
		return 0, err
	}
	if olderThan <= 0 {
		olderThan = table.Keep
	}
	return rows.Sweep(ctx, olderThan)
}

// List returns sagas, the last changed first. invalid_argument says what is wrong with
// the filter.
func (e *Engine) List(ctx context.Context, f Filter) ([]Entry, error) {
	return e.table.List(ctx, f, e.settle)
}

// Show returns a saga with its history, or ErrNotFound.
func (e *Engine) Show(ctx context.Context, name, id string) (Detail, error) {
	return e.table.Show(ctx, name, id, e.settle)
}

// settle is a row as it is to be understood; known: there is a definition for it.
func (e *Engine) settle(r table.Row) (row table.Row, known bool) {
	d := e.defs[r.Definition()]
	if d == nil {
		_, _, err := e.heir(r)
		return r, err == nil
	}
	return d.Settle(r), d.Find(r.Step) >= 0
}

// Counts returns how many sagas there are, by name, version and state.
func (e *Engine) Counts(ctx context.Context) ([]Count, error) {
	counts, err := e.table.Counts(ctx)
	for i, c := range counts {
		v := table.Version{Name: c.Name, Number: c.Version}
		counts[i].Loadable = e.defs[v] != nil || e.heirs[v] != nil
	}
	return counts, err
}

// Quiet reports whether every saga has ended and no lease is held.
func (e *Engine) Quiet(ctx context.Context) (bool, error) { return e.table.Quiet(ctx) }
