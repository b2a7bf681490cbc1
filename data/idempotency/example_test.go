package idempotency_test

import (
	"context"
	"database/sql"
	"net/http"

	"google.golang.org/grpc"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/tx"
)

// The examples need a database, so they are only compiled here; with their output
// they run in the module drivers/sqlite.
func ExampleRun() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB // opened by a driver, with the table of Migrate
	register := func(ctx context.Context, name string) (id string, err error) {
		return idempotency.Run(ctx, db, func(ctx context.Context, tx tx.Tx) (id string, err error) {
			err = tx.QueryRowContext(ctx, `INSERT INTO customer (name) VALUES ($1) RETURNING id`, name).Scan(&id)
			return id, err
		})
	}
	_ = register
}

func ExampleMiddleware() { //nolint:testableexamples // needs a database: it runs in the drivers
	var api http.Handler // whose handlers call Run or Begin
	http.Handle("/v1/", idempotency.Middleware(api))
}

func ExampleHandler() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB
	var existing http.Handler
	http.Handle("/v1/", idempotency.Handler(db, existing))
}

func ExampleUnaryServerInterceptor() { //nolint:testableexamples // needs a database: it runs in the drivers
	_ = grpc.NewServer(grpc.UnaryInterceptor(idempotency.UnaryServerInterceptor()))
}

func ExampleBegin() { //nolint:testableexamples // needs a database: it runs in the drivers
	var db *sql.DB
	var askTheBank func(ctx context.Context, key string) error
	pay := func(ctx context.Context) error {
		claim, err := idempotency.Begin(ctx, db, func(ctx context.Context, tx tx.Tx, c *idempotency.Claim) error {
			if c.Resumed() {
				return nil // the row of the attempt before is there
			}
			_, err := tx.ExecContext(ctx, `INSERT INTO payment (id, state) VALUES ($1, 'pending')`, c.ID())
			return err
		})
		if err != nil {
			return err
		}
		var state string
		if replayed, err := claim.Answer(&state); replayed || err != nil {
			return err
		}
		working, stop := claim.Keep(ctx)
		defer stop()
		if err := askTheBank(working, claim.ID()); err != nil {
			return err
		}
		return tx.Do(ctx, db, func(ctx context.Context, tx *sql.Tx) error {
			if _, err := tx.ExecContext(ctx, `UPDATE payment SET state = 'paid' WHERE id = $1`, claim.ID()); err != nil {
				return err
			}
			return claim.Finish(ctx, tx, "paid")
		})
	}
	_ = pay
}
