package table

import (
	"time"

	"github.com/musterdev/muster/problem"
)

// End is the step of a saga whose last one is done or undone: what is left is its hook.
const End = "end"

// What the functions of a Table return beside errors of the database.
var (
	ErrExists   error = problem.New(problem.Conflict, "there is such a saga already")
	ErrNotFound error = problem.New(problem.NotFound, "there is no such saga")
	// ErrLost says that a saga is another's by now: what its holder did is not recorded.
	ErrLost error = problem.New(problem.Conflict, "the saga was taken over")
)

// Key names a saga.
type Key struct{ Name, ID string }

// Row is a saga as the table has it.
type Row struct {
	Name, ID         string
	Version          int
	State            State
	Undoing          bool
	Step             string
	Attempts, Faults int // of the step; faults failed for no known reason
	Doubt            bool
	Abandoned        bool // its last holder left it in the middle of its step
	Data             []byte
	Same             bool // of a saga that is to be written: its data are those that the table has
	Fence            int64
	Owner            string
	Held             bool // by its owner, at the time it was read
	Lost             int  // of its last holders, in a row: those that ended in the middle of the step
	Reason, Err      string
	Trace            string
	After            time.Duration // when it is to be carried on, from when it is written
	Leased, Next     int64         // milliseconds since 1970
	Created, Changed int64
	Seq              int64 // counts what happened to it
}

// Key names the saga.
func (r Row) Key() Key { return Key{r.Name, r.ID} }

// Definition names what the saga is carried out by.
func (r Row) Definition() Version { return Version{r.Name, r.Version} }

// Ended reports whether nothing is left to do.
func (r Row) Ended() bool { return r.State == Completed || r.State == Compensated }

// Going reports whether the saga can be carried on right now.
func (r Row) Going() bool {
	return (r.State == Running || r.State == Compensating) && r.After == 0
}

// Active is the state of the saga when it is carried on.
func (r Row) Active() State {
	if r.Undoing {
		return Compensating
	}
	return Running
}

// Fresh is the saga at the beginning of a step.
func (r Row) Fresh() Row {
	r.Attempts, r.Faults, r.Doubt, r.Err, r.After = 0, 0, false, "", 0
	return r
}

// Place names where the saga is.
func (r Row) Place() string {
	if r.Undoing {
		return r.Step + " (undo)"
	}
	return r.Step
}
