// Package engines gives tests the databases that the services run on: the same test
// passes on SQLite and on PostgreSQL, or a service is not done.
package engines

import (
	"context"
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/sqlite"
)

// Each runs a test on a fresh, migrated database of each engine. open returns one
// more pool on the same database, as another replica has it; pools are closed when
// the test ends.
func Each(t *testing.T, migrations fs.FS, test func(t *testing.T, open func() *sql.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		test(t, opener(t, migrations, sqlite.Driver.Open, "sqlite:"+filepath.Join(t.TempDir(), "test.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		test(t, opener(t, migrations, postgres.Driver.Open, pgtest.Database(t)))
	})
}

// SQLite returns a fresh, migrated SQLite database.
func SQLite(t testing.TB, migrations fs.FS) *sql.DB {
	t.Helper()
	return opener(t, migrations, sqlite.Driver.Open, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))()
}

// Copy returns a copy of a SQLite database as it is now.
func Copy(t *testing.T, db *sql.DB) *sql.DB {
	t.Helper()
	file := filepath.ToSlash(filepath.Join(t.TempDir(), "copy.db"))
	if _, err := db.ExecContext(t.Context(), `VACUUM INTO $1`, file); err != nil {
		t.Fatal(err)
	}
	copied, err := sqlite.Driver.Open(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = copied.Close() }) // the test is over: nothing depends on it
	return copied
}

func opener(t testing.TB, migrations fs.FS, open func(context.Context, string) (*sql.DB, error), url string) func() *sql.DB {
	t.Helper()
	return func() *sql.DB {
		db, err := open(t.Context(), url)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() }) // the test is over: nothing depends on it
		if err := migrate.Run(t.Context(), db, migrations); err != nil {
			t.Fatal(err)
		}
		return db
	}
}
