package idempotency

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

//go:embed schema
var schema embed.FS

// Migrate creates the table muster_idempotency in db or brings it up to date. Its
// version is kept apart from those of the service's own migrations. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return err
	}
	files, err := fs.Sub(schema, "schema/"+string(dialect))
	if err != nil {
		return fmt.Errorf("idempotency: no schema for %s: %w", dialect, err)
	}
	return migrate.Set{Files: files, Table: "muster_idempotency_version"}.Run(ctx, db)
}
