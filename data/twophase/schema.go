package twophase

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

//go:embed schema
var schema embed.FS

// Migrate creates the tables of the coordinator's own database, or brings them up to date; participants need none.
// Any number of processes may call it at the same time. A copy of the database that is to be used beside it must be given
// another name, in muster_twophase_self: else each ends the operations of the other.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errors.New("twophase: the coordinator's database is nil: open it before")
	}
	if dialect, err := tx.DialectOf(db); err != nil || dialect != tx.Postgres {
		return errors.Join(err, fmt.Errorf("twophase: the coordinator's database is %s: two-phase commit works between PostgreSQL databases; elsewhere use a saga", dialect))
	}
	return migrate.Own(ctx, db, schema, "muster_twophase_version")
}

func explain(err error) error {
	switch {
	case err == nil:
		return nil
	case migrate.Missing(err, "muster_twophase"):
		return fmt.Errorf("twophase: the table muster_twophase is missing: call twophase.Migrate before: %w", err)
	}
	return fmt.Errorf("twophase: %w", err)
}
