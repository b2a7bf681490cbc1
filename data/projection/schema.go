package projection

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

//go:embed schema
var schema embed.FS

var errNoDB = errors.New("projection: the database is nil: open it before")

// Migrate creates the tables muster_projection_build, _note and _failed, and that of package lease, in db or
// brings them up to date. Any number of processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	if err := lease.Migrate(ctx, db); err != nil {
		return err
	}
	return migrate.Own(ctx, db, schema, "muster_projection_version")
}

// explained says what to do about an error of the database, where that is known.
func explained(err error) error {
	if err == nil {
		return nil
	}
	for _, table := range []string{"muster_projection_build", "muster_projection_note", "muster_projection_failed"} {
		if migrate.Missing(err, table) {
			return fmt.Errorf("projection: the table %s is missing: call projection.Migrate before: %w", table, err)
		}
	}
	return fmt.Errorf("projection: %w", err)
}

// tries is how often a transaction is run that failed only because of others.
const tries = 3

// do runs a transaction, a few times if others are in its way.
func (p *Projection) do(ctx context.Context, fn func(ctx context.Context, t tx.Tx) error) error {
	for try := 1; ; try++ {
		err := tx.Do(ctx, p.DB, func(ctx context.Context, t *sql.Tx) error { return fn(ctx, t) })
		if try == tries || !tx.IsRetryable(err) {
			return err
		}
	}
}

func affected(res sql.Result, err error) (int64, error) {
	if err != nil {
		return 0, explained(err)
	}
	return res.RowsAffected()
}
