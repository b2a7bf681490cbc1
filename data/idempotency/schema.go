package idempotency

import (
	"context"
	"database/sql"
	"embed"

	"github.com/musterdev/muster/data/migrate"
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
	return migrate.Own(ctx, db, schema, "muster_idempotency_version")
}
