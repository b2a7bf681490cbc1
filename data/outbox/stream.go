package outbox

import (
	"context"
	"database/sql"
	"time"

	"github.com/musterdev/muster/data/tx"
)

// Stream is another way out of a database than the table: what is appended goes into the
// database's own log, with the commit, and is read there. Package drivers/postgres/logical
// has one. A [Relay] that is given a Stream turns the database over to it, so that Append
// needs no word of it; the table stays for what must wait.
//
// Its methods are called by the holder of the relay's lease, one at a time.
type Stream interface {
	// Create makes what the log is read by, its slot, and returns where reading begins. One of this
	// name that is there belongs to nobody and is replaced. What no further try can mend is a
	// *SetupError.
	Create(ctx context.Context, db *sql.DB) (slot string, begin Position, err error)
	// Open begins to read behind a position, and takes the slot from whoever has it, for the
	// caller has the lease. A *LostError says that there may be messages behind the position that
	// nobody can read any more.
	Open(ctx context.Context, db *sql.DB, slot string, behind Position) (Reader, error)
	// Rest returns all that is behind a position and was committed before t locked the
	// table, while nobody reads.
	Rest(ctx context.Context, t tx.Tx, slot string, behind Position) ([]Logged, error)
	// Drop removes the slot, if it is there.
	Drop(ctx context.Context, db *sql.DB, slot string) error
}

// Reader reads messages in the order of their commits. It is used by one goroutine.
type Reader interface {
	// Next waits for messages, for so long at most, and returns those that are there: most, or
	// about so many bytes. end is behind all of them, and moves on without messages too. A *LostError is one as of Open.
	Next(ctx context.Context, wait time.Duration, most, bytes int) (batch []Logged, end Position, err error)
	// Confirm says that nothing before a position is needed again. It does not wait.
	Confirm(Position)
	// Close ends the reading.
	Close() error
}

// Position is a place in a database's log, as the Stream writes it: its first word is an LSN.
// A Position behind another is not to be told by its text.
type Position string

// Logged is a message as the log has it.
type Logged struct {
	Attributes string    // of the CloudEvent, as in the table; "" is no message, only a sign that somebody got this far
	Data       []byte    // the caller's
	Number     uint64    // of the commit: no smaller than that of the message before
	Committed  time.Time // by the database's clock
	After      Position  // behind this message
}

// SetupError says why a database's log cannot be read as it is set up. The relay ends with it.
type SetupError struct{ Err error }

func (e *SetupError) Error() string { return e.Err.Error() }
func (e *SetupError) Unwrap() error { return e.Err }

// LostError says that a part of a database's log cannot be read any more.
type LostError struct{ Why string }

func (e *LostError) Error() string { return e.Why }
