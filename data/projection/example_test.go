package projection_test

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/tx"
)

type priced struct {
	Product string
	Cents   int64
}

// Which products cost less than so much is answered from the events of the catalog.
func Example() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB        // opened by a driver, with the tables of Migrate
	var broker bus.Broker // of a driver
	prices := bus.Topic[priced]{Name: "catalog.priced"}
	search, err := projection.New(projection.Config{
		DB: db, Broker: broker, Name: "search", Build: 3, Tables: []string{"prices"},
		Schema: func(ctx context.Context, t tx.Tx, v projection.View) error {
			_, err := t.ExecContext(ctx, `CREATE TABLE `+v.Name("prices")+` (product VARCHAR(40) PRIMARY KEY, cents BIGINT NOT NULL)`)
			return err
		},
	})
	if err != nil {
		return
	}
	err = projection.On(search, prices, func(ctx context.Context, t tx.Tx, v projection.View, e priced) error {
		_, err := t.ExecContext(ctx, `INSERT INTO `+v.Name("prices")+` (product, cents) VALUES ($1, $2)
			ON CONFLICT (product) DO UPDATE SET cents = excluded.cents`, e.Product, e.Cents)
		return err
	})
	if err != nil {
		return
	}
	cheaper := func(ctx context.Context, than int64) (n int, err error) {
		err = search.Read(ctx, func(ctx context.Context, t tx.Tx, v projection.View) error {
			return t.QueryRowContext(ctx, `SELECT count(*) FROM `+v.Name("prices")+` WHERE cents < $1`, than).Scan(&n)
		})
		return n, err
	}
	_ = cheaper
	_ = search.Run(context.Background()) // in each replica, until it is told to end
}

// The client that wrote hands the token back when it reads.
func ExampleProjection_WaitFor() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var search *projection.Projection
	answer := func(ctx context.Context, handed string) error {
		token, err := projection.ParseToken(handed)
		if err != nil {
			return err
		}
		if err := search.WaitFor(ctx, token); err != nil { // bound ctx by what a client waits
			return err
		}
		return search.Read(ctx, func(context.Context, tx.Tx, projection.View) error { return nil })
	}
	_ = answer
}
