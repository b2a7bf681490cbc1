package postgres_test

import (
	"context"
	"fmt"

	"github.com/musterdev/muster/drivers/postgres"
)

func ExampleDriver() {
	_, err := postgres.Driver.Open(context.Background(), "postgres://orders:secret@db/orders?sslmode=sometimes")
	fmt.Println(err)
	// Output: postgres: postgres://orders:xxxxx@db/orders is not the URL of a PostgreSQL database: failed to configure TLS (sslmode is invalid): write postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special characters as %XX
}
