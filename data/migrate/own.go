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
// schema with one folder for each dialect that the package knows, schema/sqlite, schema/postgres and
// schema/mysql, of migrations; those of schema/mysql can be run again where they were cut off. table records their versions, apart from those of the service's own.
// Any number of processes may call it at the same time.
func Own(ctx context.Context, db *sql.DB, schema fs.FS, table string) error {
	if db == nil {
		return errors.New("migrate: the database is nil: open it before")
	}
	dialect, err := tx.DialectOf(db)
	if err != nil {
		return err
	}
	folder := "schema/" + string(dialect)
	if _, err := fs.Stat(schema, folder); err != nil {
		return fmt.Errorf("migrate: the tables of %s are not to be had on %s: keep them in a database of %s", strings.TrimSuffix(table, "_version"), dialect, known(schema))
	}
	files, err := fs.Sub(schema, folder)
	if err != nil {
		return fmt.Errorf("migrate: no schema for %s: %w", dialect, err)
	}
	return Set{Files: files, Table: table}.Run(ctx, db)
}

// known lists the dialects that there are migrations for.
func known(schema fs.FS) string {
	folders, _ := fs.ReadDir(schema, "schema") // none are named then
	names := make([]string, len(folders))
	for i, f := range folders {
		names[i] = f.Name()
	}
	return strings.Join(names, " or ")
}

// Missing reports whether a statement failed because table is not there: whoever
// should have migrated has not. PostgreSQL and Muster's driver for MariaDB have a code for that (42P01), SQLite only
// words.
func Missing(err error, table string) bool {
	return err != nil && (tx.SQLState(err) == "42P01" || strings.Contains(err.Error(), "no such table: "+table))
}
