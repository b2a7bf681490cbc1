package table

import (
	"context"
	"database/sql"
	"embed"

	"github.com/musterdev/muster/data/migrate"
)

//go:embed schema
var schema embed.FS

// Migrate creates the tables muster_saga and muster_saga_step in db or brings them up
// to date. Their version is kept apart from those of the service's own migrations.
// Any number of processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	return migrate.Own(ctx, db, schema, "muster_saga_version")
}
