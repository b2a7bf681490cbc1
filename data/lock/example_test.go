package lock_test //nolint:testableexamples // needs a database: its like runs in the drivers

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/lock"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/tx"
)

type booking struct{ Seat string }

// A seat is nobody else's while its booking is under way.
func ExampleLocks() {
	var db *sql.DB // opened by a driver, with the table of Migrate
	seats := &lock.Locks{DB: db}
	bookings := &saga.Saga[booking]{
		Name: "booking", Version: 1,
		Steps: []saga.Step[booking]{
			saga.Local[booking]{
				Name: "hold",
				Do: func(ctx context.Context, t tx.Tx, b *booking) error {
					c, _ := saga.StepOf(ctx)
					return seats.Take(ctx, t, c.Owner(), "seat "+b.Seat) // another's: the booking is refused
				},
				Undo: func(ctx context.Context, t tx.Tx, _ *booking) error {
					c, _ := saga.StepOf(ctx)
					return seats.Release(ctx, t, c.Owner())
				},
			},
			// pay, confirm, ...
		},
		Completed: func(ctx context.Context, t tx.Tx, _ *booking) error {
			c, _ := saga.StepOf(ctx)
			return seats.Release(ctx, t, c.Owner())
		},
	}
	_, _ = saga.New(db, saga.Config{}, bookings)
}
