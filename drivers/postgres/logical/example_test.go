package logical_test

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/drivers/postgres/logical"
)

// The messages of an outbox leave by the log; whoever appends does not notice.
func ExampleNewStream() { //nolint:testableexamples // needs a database: its like is in the tests
	var db *sql.DB // of the same URL, with the tables of outbox.Migrate
	var broker bus.Broker
	stream, err := logical.NewStream("postgres://orders@db:5432/orders", nil)
	if err != nil {
		return
	}
	relay := &outbox.Relay{DB: db, Publisher: broker, Source: "/orders", Stream: stream}
	_ = relay.Run(context.Background())
}

func ExampleNewSource() {
	_, err := logical.NewSource(logical.SourceConfig{URL: "postgres://legacy@db:5432/crm", Tables: []string{"customers"}})
	fmt.Println(err)
	// Output: logical: "customers" is no table with its schema, such as public.orders
}
