package outbox_test

import (
	"context"
	"database/sql"
	"log/slog"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/tx"
)

type orderPlaced struct{ Order string }

// The order and its event are there together or not at all.
func ExampleAppend() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB          // opened by a driver, with the table of Migrate
	var relay *outbox.Relay // see below
	placed := bus.Topic[orderPlaced]{Name: "orders.placed"}
	place := func(ctx context.Context, order string) error {
		return tx.Do(outbox.WithRelay(ctx, relay), db, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `INSERT INTO orders (id) VALUES ($1)`, order); err != nil {
				return err
			}
			return outbox.Append(ctx, tx, placed, order, orderPlaced{Order: order})
		})
	}
	_ = place
}

func ExampleRelay() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB
	var broker bus.Broker
	work := func(ctx context.Context, log *slog.Logger) error {
		relay := &outbox.Relay{DB: db, Publisher: broker, Source: "/orders", Log: log}
		return relay.Run(ctx)
	}
	_ = work
}
