package migrate_test

import (
	"context"
	"database/sql"
	"fmt"
	"testing/fstest"

	"github.com/musterdev/muster/data/migrate"
)

// A service embeds its files:
//
//	//go:embed migrations/*.sql
//	var migrations embed.FS
//
// The example needs a database, so it is only compiled here; it runs in the
// drivers' modules.
func ExampleRun() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB              // opened by a driver
	var migrations fstest.MapFS // an embed.FS
	start := func(ctx context.Context) error {
		return migrate.Run(ctx, db, migrations)
	}
	_ = start
}

func ExampleSet_Check() {
	files := fstest.MapFS{
		"00001_products.sql": {Data: []byte("-- +goose Up\nCREATE TABLE product (id TEXT PRIMARY KEY);\n")},
		"00002_prices.sql":   {Data: []byte("-- +goose Up\nALTER TABLE product\n  ADD COLUMN cents INTEGER\n")},
	}
	fmt.Println(migrate.Set{Files: files}.Check())
	// Output: 00002_prices.sql:2: the statement has no semicolon: end its last line with one; in: ALTER TABLE product ADD COLUMN cents INTEGER
}
