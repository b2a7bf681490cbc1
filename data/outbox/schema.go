package outbox

import (
	"context"
	"database/sql"
	"embed"
	"errors"

	"github.com/musterdev/muster/data/lease"
	"github.com/musterdev/muster/data/migrate"
)

//go:embed schema
var schema embed.FS

var errNoDB = errors.New("outbox: the database is nil: open it before")

// Migrate creates the table muster_outbox, and that of package lease, in db or brings
// them up to date. Any number of processes may call it at the same time.
func Migrate(ctx context.Context, db *sql.DB) error {
	if db == nil {
		return errNoDB
	}
	if err := lease.Migrate(ctx, db); err != nil {
		return err
	}
	return migrate.Own(ctx, db, schema, "muster_outbox_version")
}
