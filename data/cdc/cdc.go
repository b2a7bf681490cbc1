// Package cdc follows the changes of a database that Muster does not own: one that an older program
// writes, from which its tables are to be copied, or events to be made. A [Follower] first reads all rows, as they
// were at one moment, and then every change since, with no gap between the two and none twice: how far it is it keeps in the
// database of its handler, in the transaction of the handler's effect.
//
// For the events of a service of one's own there is package outbox: tables tell what changed, not what happened.
//
// A [Source] knows the engine: drivers/postgres/logical has the one of PostgreSQL.
package cdc

import (
	"context"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Op is what a change is.
type Op int

// The operations.
const (
	// Begin is the first change of all, and comes again when everything is copied anew: the handler
	// removes all that it has made. It has no Table.
	Begin    Op = iota
	Read        // New is a row that was there when copying began
	Insert      // New is a new row
	Update      // New is a row now; Old, if it is there, what it was called by before
	Delete      // Old is a row that is gone
	Truncate    // all rows of the Table are gone
	Reshape     // the Table has other columns than Was; it comes before the first row that has them
)

// String returns the operation in lower case.
func (o Op) String() string {
	names := []string{"begin", "read", "insert", "update", "delete", "truncate", "reshape"}
	if o < 0 || int(o) >= len(names) {
		return "unknown"
	}
	return names[o]
}

// Column is a column of a table.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`          // as the source's engine names it
	Key  bool   `json:"key,omitempty"` // it is one of those that a row is known by
}

// Table is a table of the source, as it was at a change.
type Table struct {
	Name    string   `json:"name"` // with its schema: public.orders
	Columns []Column `json:"columns"`
}

// Value is that of one column.
type Value struct {
	Text      string // as the source's engine writes it
	Null      bool
	Unchanged bool // of Update: a large value that was not written, and so is not told; keep what there is
}

// Row has a value for each column of the table, in their order. The Old of a row may have only those of its key, and
// Null for all others: see Change.
type Row []Value

// Change is one change of a row, or of a table.
type Change struct {
	Op        Op
	Table     *Table // nil for Begin
	Was       *Table // of Reshape
	New       Row    // of Read, Insert and Update
	Old       Row    // of Delete, and of an Update that has changed the key: the key, or all of it where the source tells it
	Committed time.Time
	// ID is the same whenever the change comes again: the id of an event that is made of it.
	ID string
	// After is behind this change.
	After Position
}

// Get returns the value of a column of New, or of Old for a Delete. ok is false where there is no such column, or
// it is not told.
func (c Change) Get(column string) (v Value, ok bool) {
	row := c.New
	if c.Op == Delete {
		row = c.Old
	}
	return c.of(row, column)
}

// Key returns the values that the row was known by before the change, in the order of the columns: those of Old
// if it is there, else of New.
func (c Change) Key() (key []string) {
	row := c.Old
	if row == nil {
		row = c.New
	}
	for i := range row {
		if c.Table.Columns[i].Key {
			key = append(key, row[i].Text)
		}
	}
	return key
}

func (c Change) of(row Row, column string) (Value, bool) {
	if c.Table == nil {
		return Value{}, false
	}
	for i := range row {
		if c.Table.Columns[i].Name == column {
			return row[i], !row[i].Unchanged
		}
	}
	return Value{}, false
}

// Position is a place in the source's log, as the Source writes it.
type Position string

// Handler has the effect of changes, in their order, in a transaction of the follower's database that also moves
// the position: what it does it does through t. Changes of one transaction of the source come in one call, unless there are
// very many. An error has them come again. It must not commit.
type Handler func(ctx context.Context, t tx.Tx, changes []Change) error

// Source is a database that is followed. Its methods are called by one holder of a lease at a time.
type Source interface {
	// Copy begins anew: what was kept of the log for name is dropped, and what happens from now on is.
	Copy(ctx context.Context, name string) (Copying, error)
	// Follow reads on behind a position. A *LostError says that there may be changes behind it that nobody can
	// read any more.
	Follow(ctx context.Context, name string, behind Position) (Following, error)
	// Forget drops what is kept of the log for name.
	Forget(ctx context.Context, name string) error
}

// Copying reads all rows as they were at one moment.
type Copying interface {
	// Tables returns the tables that are copied.
	Tables() []Table
	// Next returns some more rows, none at the end.
	Next(ctx context.Context) ([]Change, error)
	// End is the moment: Follow goes on from there.
	End() Position
	Close() error
}

// Following reads changes in the order of their commits.
type Following interface {
	// Next waits for changes, so long at most; end is behind them, and moves on without any too. Each table is told
	// by a Reshape, without Was, before the first change of it since Follow; it is for the follower to compare.
	Next(ctx context.Context, wait time.Duration, most int) (changes []Change, end Position, err error)
	// Confirm says that nothing before a position is needed again. It does not wait.
	Confirm(Position)
	Close() error
}

// SetupError says why a source cannot be followed as it is set up: Run ends with it.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return e.Err.Error() }
func (e *SetupError) Unwrap() error { return e.Err }

// LostError says that a part of the source's log cannot be read any more.
type LostError struct{ Why string }

func (e *LostError) Error() string { return e.Why }
