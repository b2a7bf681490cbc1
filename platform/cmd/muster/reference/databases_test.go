package reference

import (
	"errors"
	"strings"
	"testing"

	"github.com/musterdev/muster"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestFreshDatabasesAreDropped(t *testing.T) {
	admin := pgtest.Database(t)
	fresh, err := CreateDatabases(t.Context(), admin, []string{"cart", "read-model"}, 2)
	if err != nil {
		t.Fatal(err)
	}
	for service, url := range fresh.URLs {
		db, err := postgres.Driver.Open(t.Context(), url)
		if err != nil {
			t.Fatalf("%s: %v", service, err)
		}
		defer func() { _ = db.Close() }() // its database is gone
		if _, err := db.ExecContext(t.Context(), "CREATE TABLE things (id int)"); err != nil {
			t.Errorf("%s: %v", service, err)
		}
		if n := db.Stats().MaxOpenConnections; n != connections/4 {
			t.Errorf("%s may open %d connections", service, n)
		}
	}
	if len(fresh.URLs) != 2 || fresh.URLs["cart"] == fresh.URLs["read-model"] {
		t.Errorf("%v", fresh.URLs)
	}
	if err := fresh.Drop(); err != nil { // although somebody is connected
		t.Error(err)
	}
	db, err := postgres.Driver.Open(t.Context(), admin)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }() // the test is over
	var left int
	if err := db.QueryRowContext(t.Context(), `SELECT COUNT(*) FROM pg_database WHERE datname LIKE 'muster\_%'`).Scan(&left); err != nil || left > 0 {
		t.Errorf("%d databases are left, %v", left, err)
	}
}

func TestPostgresIsRefusedInOneLine(t *testing.T) {
	for url, want := range map[string]string{
		"":                                   "--postgres is not the URL",
		"host=127.0.0.1 user=x":              "--postgres is not the URL",
		"mysql://root:secret@127.0.0.1/x":    "--postgres is not the URL",
		"postgres://u:secret%zz@127.0.0.1/x": "--postgres is not the URL",
		"postgres://u:secret@127.0.0.1:x/x":  "--postgres is not the URL",
		"postgres://u:secret@127.0.0.1:1/x":  "cannot connect to database",
		"postgres://u:secret@127.0.0.1/x?pool_max_conns=none": "--postgres: postgres: pool_max_conns=none",
	} {
		_, err := CreateDatabases(t.Context(), url, []string{"cart"}, 1)
		if err == nil || !strings.Contains(err.Error(), want) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", url, err, want)
		}
		if usage := errors.Is(err, muster.ErrConfig); usage != strings.HasPrefix(want, "--postgres is not") {
			t.Errorf("%q: a wrong use is %v", url, usage)
		}
	}
}
