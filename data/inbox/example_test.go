package inbox_test

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/tx"
)

type orderPlaced struct{ Order string }

// Stock takes part in the sagas of others: whatever comes twice, or too late, or never.
func ExampleBarrier() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB // opened by a driver, with the table of Migrate
	reserving := inbox.Barrier{Name: "stock.reserve"}
	reserve := func(ctx context.Context, key, article string) error { // key is the Idempotency-Key that came
		return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
			if run, err := reserving.Do(ctx, t, key); err != nil || !run {
				return err
			}
			_, err := t.ExecContext(ctx, `UPDATE stock SET free = free - 1 WHERE article = $1`, article)
			return err
		})
	}
	release := func(ctx context.Context, key, article string) error {
		return tx.Do(ctx, db, func(ctx context.Context, t *sql.Tx) error {
			if run, err := reserving.Undo(ctx, t, key); err != nil || !run {
				return err
			}
			_, err := t.ExecContext(ctx, `UPDATE stock SET free = free + 1 WHERE article = $1`, article)
			return err
		})
	}
	_, _ = reserve, release
}

// A mail is sent at most once: noted first.
func ExampleNotes() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB // opened by a driver, with the table of Migrate
	sent := &inbox.Notes{DB: db}
	mail := func(ctx context.Context, order string, send func() error) error {
		if fresh, err := sent.Note(ctx, "mail", "/orders", order); err != nil || !fresh {
			return err
		}
		return send()
	}
	_ = mail
}

// However often the event is delivered, one parcel is booked.
func ExampleOnce() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB             // opened by a driver, with the table of Migrate
	var consumer *bus.Consumer // of the group shipping
	placed := bus.Topic[orderPlaced]{Name: "orders.placed"}
	_ = consumer.On(placed.Name, inbox.Once(db, placed, func(ctx context.Context, tx tx.Tx, e orderPlaced) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO parcels (order_id) VALUES ($1)`, e.Order)
		return err
	}))
}
