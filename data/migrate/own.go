package migrate

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/musterdev/muster/data/tx"
)

// Own brings the tables of a library package up to date. schema holds a folder named
// schema with one folder for each dialect, schema/sqlite and schema/postgres, of
// migrations; table records their versions, apart from those of the service's own.
// Any number of processes may call it at the same time.
func Own(ctx context.Context, db *sql.DB, schema fs.FS, table string) error {
	if db == nil {
		return errors.New("migrate: the database is nil: open it before")
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return err
	}
	files, err := fs.Sub(schema, "schema/"+string(dialect))
	if err != nil {
		return fmt.Errorf("migrate: no schema for %s: %w", dialect, err)
	}
	return Set{Files: files, Table: table}.Run(ctx, db)
}

// Missing reports whether a statement failed because table is not there: whoever
// should have migrated has not. PostgreSQL has a code for that (42P01), SQLite only
// words.
func Missing(err error, table string) bool {
	return err != nil && (tx.SQLState(err) == "42P01" || strings.Contains(err.Error(), "no such table: "+table))
}
