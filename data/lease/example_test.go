package lease_test

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/tx"
)

// One of all replicas closes the day's books, and none does it twice.
func ExampleRun() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB // opened by a driver, with the table of Migrate
	closeBooks := func(ctx context.Context, replica string) error {
		return lease.Run(ctx, db, "close-books", replica, func(ctx context.Context, h lease.Held) error {
			return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
				if err := h.Check(ctx, tx); err != nil {
					return err // another has taken over: what follows is his to do
				}
				_, err := tx.ExecContext(ctx, `UPDATE day SET closed = TRUE WHERE NOT closed`)
				return err
			})
		})
	}
	_ = closeBooks
}
