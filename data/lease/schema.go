package lease

import (
	"context"
	"database/sql"
	"embed"

	"github.com/musterdev/muster/data/migrate"
)

//go:embed schema
var schema embed.FS

// Migrate creates the table muster_lease in db or brings it up to date. Any number of
// processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	return migrate.Own(ctx, db, schema, "muster_lease_version")
}
