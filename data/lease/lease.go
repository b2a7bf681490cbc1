// Package lease lets one process at a time do a piece of work, among all those that
// share a database: [Run] waits for the lease, works while it holds it, and waits
// again when it lost it.
//
// A holder that was paused may not know that its time is over. So a lease has a fence,
// a number that grows with each holder: whatever the holder writes it commits together
// with [Held.Check], which fails once another has taken over. What leaves the database,
// such as a message, cannot be guarded so and must stand being done twice.
//
// All times are measured by the database's clock, because those of replicas differ.
package lease

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

// ErrLost says that another holder has taken over: roll back. It is the error of
// [Held.Check] and the cause of the end of a work's context.
var ErrLost = errors.New("lease: lost to another holder, or not extended in time")

// Held is the right to work, as long as nobody has taken over.
type Held struct {
	Name  string
	Owner string
	Fence int64 // of two holders of one name the later has the larger

	now string // the dialect's expression
}

// Check makes a transaction the holder's: it locks the lease's row until the
// transaction ends, so that nobody takes over before, and extends the lease by
// [Length]. It returns ErrLost when another holder has taken over; then the
// transaction must be rolled back, which returning the error from tx.Do's function
// does. A lease that has lapsed and was taken by nobody is still the holder's.
func (h Held) Check(ctx context.Context, t tx.Tx) error {
	return owned(t.ExecContext(ctx, `UPDATE muster_lease SET held_until = `+h.now+` + $1 WHERE name = $2 AND fence = $3`,
		Length.Milliseconds(), h.Name, h.Fence))
}

// extend is Check in a transaction of its own.
func (h Held) extend(ctx context.Context, db *sql.DB) error {
	return owned(db.ExecContext(ctx, `UPDATE muster_lease SET held_until = `+h.now+` + $1 WHERE name = $2 AND fence = $3`,
		Length.Milliseconds(), h.Name, h.Fence))
}

// release lets the next holder begin at once.
func (h Held) release(ctx context.Context, db *sql.DB) error {
	return owned(db.ExecContext(ctx, `UPDATE muster_lease SET held_until = 0 WHERE name = $1 AND fence = $2`, h.Name, h.Fence))
}

func owned(res sql.Result, err error) error {
	if err != nil {
		return explain(err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return ErrLost
	}
	return err
}

func explain(err error) error {
	if migrate.Missing(err, "muster_lease") {
		return fmt.Errorf("lease: the table muster_lease is missing: call lease.Migrate before: %w", err)
	}
	return fmt.Errorf("lease: %w", err)
}
