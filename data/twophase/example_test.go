package twophase_test

import (
	"context"
	"database/sql"

	"github.com/musterdev/muster/data/twophase"
	"github.com/musterdev/muster/data/tx"
)

// Money leaves one database and arrives in the other in the same moment, or stays where it is.
func ExampleCoordinator_Do() { //nolint:testableexamples // needs two databases: its like runs in drivers/postgres
	var accounts, savings *sql.DB // PostgreSQL; accounts with the tables of Migrate
	c := &twophase.Coordinator{DB: accounts, Name: "bank", Participants: map[string]*sql.DB{"savings": savings}}
	go func() { _ = c.Run(context.Background()) }() // in each replica: it ends what a crash left behind

	save := func(ctx context.Context, owner string, cents int64) error {
		return c.Do(ctx, func(ctx context.Context, own tx.Tx, at twophase.Branches) error {
			if _, err := own.ExecContext(ctx, `UPDATE account SET cents = cents - $1 WHERE owner = $2`, cents, owner); err != nil {
				return err
			}
			there, err := at.On(ctx, "savings")
			if err != nil {
				return err
			}
			_, err = there.ExecContext(ctx, `UPDATE saving SET cents = cents + $1 WHERE owner = $2`, cents, owner)
			return err
		})
	}
	_ = save
}
