package cdc_test

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/cdc"
	"github.com/musterdev/muster/data/tx"
)

// The customers of an older program are copied, and followed.
func ExampleFollower() { //nolint:testableexamples // needs two databases: its like runs in the drivers
	var db *sql.DB        // opened by a driver, with the tables of Migrate
	var legacy cdc.Source // such as logical.NewSource
	f := &cdc.Follower{DB: db, Source: legacy, Name: "customers", Handle: func(ctx context.Context, t tx.Tx, changes []cdc.Change) error {
		for _, c := range changes {
			var err error
			switch c.Op {
			case cdc.Begin, cdc.Truncate:
				_, err = t.ExecContext(ctx, `DELETE FROM customer`)
			case cdc.Read, cdc.Insert:
				id, _ := c.Get("id")
				name, _ := c.Get("name")
				_, err = t.ExecContext(ctx, `INSERT INTO customer (id, name) VALUES ($1, $2)`, id.Text, name.Text)
			case cdc.Update:
				id, _ := c.Get("id")
				name, told := c.Get("name")
				_, err = t.ExecContext(ctx, `UPDATE customer SET id = $1, name = CASE WHEN $2 THEN $3 ELSE name END WHERE id = $4`, id.Text, told, name.Text, c.Key()[0])
			case cdc.Delete:
				_, err = t.ExecContext(ctx, `DELETE FROM customer WHERE id = $1`, c.Key()[0])
			case cdc.Reshape: // it has been logged; none of the columns that are copied here
			}
			if err != nil {
				return err
			}
		}
		return nil
	}}
	_ = f.Run(context.Background()) // in each replica, until it is told to end
}
