package inbox_test //nolint:testableexamples // needs a database: its like runs in the drivers

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/tx"
)

type orderPlaced struct{ Order string }

// However often the event is delivered, one parcel is booked.
func ExampleOnce() {
	var db *sql.DB             // opened by a driver, with the table of Migrate
	var consumer *bus.Consumer // of the group shipping
	placed := bus.Topic[orderPlaced]{Name: "orders.placed"}
	_ = consumer.On(placed.Name, inbox.Once(db, placed, func(ctx context.Context, tx tx.Tx, e orderPlaced) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO parcels (order_id) VALUES ($1)`, e.Order)
		return err
	}))
}
