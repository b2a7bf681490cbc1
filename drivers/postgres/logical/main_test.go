package logical_test

import (
	"database/sql"
	"os"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/logical"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

func open(t testing.TB, url string) *sql.DB {
	t.Helper()
	db, err := postgres.Driver.Open(t.Context(), url)
	dbtest.Succeed(t, err)
	t.Cleanup(func() { _ = db.Close() }) // a test that ends leaves nothing to lose
	return db
}

// urlOf returns the URL of the database behind a pool.
func urlOf(t testing.TB, db *sql.DB) string {
	t.Helper()
	return pgtest.Start(t).URL(dbtest.Value[string](t, db, "SELECT current_database()"))
}

func stream(t testing.TB, db *sql.DB) outbox.Stream {
	t.Helper()
	s, err := logical.NewStream(urlOf(t, db), nil)
	dbtest.Succeed(t, err)
	return s
}

// fresh makes a database whose slots end with the test, for a server has few.
func fresh(t *testing.T) func() *sql.DB {
	url := pgtest.Database(t)
	db := open(t, url)
	t.Cleanup(func() {
		_, _ = db.Exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = current_database() AND active")
		dbtest.EventuallyWithin(t, dbtest.Patience, "the slots to be dropped", func() bool {
			_, err := db.Exec("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = current_database()")
			return err == nil
		})
	})
	return func() *sql.DB { return open(t, url) }
}
