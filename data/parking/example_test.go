package parking_test

import (
	"database/sql"
	"net/http"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/parking"
)

func ExampleNew() { //nolint:testableexamples // needs a database: its like runs in the drivers
	var db *sql.DB // opened by a driver, with the table of Migrate
	var broker bus.Broker
	consumer := func() (*bus.Consumer, error) {
		store, err := parking.New(db)
		if err != nil {
			return nil, err
		}
		http.Handle("/.muster/bus/", parking.Handler(store))
		return &bus.Consumer{Broker: broker, Group: "shipping", Parking: store}, nil
	}
	_ = consumer
}
