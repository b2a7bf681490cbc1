package tx_test

import (
	"context"
	"database/sql"
	"errors"

	"github.com/musterdev/muster/data/tx"
)

// Both rows or none. The example needs a database, so it is only compiled here;
// it runs in the drivers' modules.
func ExampleDo() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB // opened by a driver
	transfer := func(ctx context.Context, from, to string, cents int64) error {
		return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `UPDATE account SET cents = cents - $1 WHERE id = $2`, cents, from); err != nil {
				return err
			}
			_, err := tx.ExecContext(ctx, `UPDATE account SET cents = cents + $1 WHERE id = $2`, cents, to)
			return err
		})
	}
	_ = transfer
}

func ExampleIsUniqueViolation() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB
	register := func(ctx context.Context, email string) error {
		_, err := db.ExecContext(ctx, `INSERT INTO customer (email) VALUES ($1)`, email)
		if tx.IsUniqueViolation(err) {
			return errors.New("this address is taken")
		}
		return err
	}
	_ = register
}
