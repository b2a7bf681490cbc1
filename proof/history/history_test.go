package history_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
	"github.com/musterdev/muster/drivers/sqlite"
	"github.com/musterdev/muster/proof/history"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// engines are real databases; each call of open is one more pool, as another process has.
func engines() map[string]func(t *testing.T) (open func() *sql.DB) {
	pool := func(t *testing.T, open func(ctx context.Context, url string) (*sql.DB, error), url string) *sql.DB {
		db, err := open(t.Context(), url)
		dbtest.Succeed(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	return map[string]func(t *testing.T) func() *sql.DB{
		"PostgreSQL": func(t *testing.T) func() *sql.DB {
			url := pgtest.Database(t)
			return func() *sql.DB { return pool(t, postgres.Driver.Open, url) }
		},
		"SQLite": func(t *testing.T) func() *sql.DB {
			url := "sqlite:" + filepath.Join(t.TempDir(), "history.db")
			return func() *sql.DB { return pool(t, sqlite.Driver.Open, url) }
		},
	}
}

// For how long many do what they can, and how many do it with each name.
const (
	during  = 2500 * time.Millisecond
	clients = 3
)

// play has clients do something again and again with a name, until the time has passed.
func play(t *testing.T, pools []*sql.DB, names int, turn func(ctx context.Context, db *sql.DB, client int, name string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	dbtest.Together(clients*names, func(i int) {
		for ctx.Err() == nil {
			turn(ctx, pools[i%len(pools)], i, fmt.Sprint("n", i%names))
		}
	})
}

// breaks ends connections of the database while a test runs, where a server has any.
func breaks(ctx context.Context, db *sql.DB) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		_, _ = db.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2`) // SQLite has no connections to break
	}
}

// judge has the model decide, and wants a history with something in it.
func judge(t *testing.T, model porcupine.Model, log *history.Log, least int) {
	t.Helper()
	ops := log.Operations()
	unknown := 0
	for _, op := range ops {
		if op.Output == nil {
			unknown++
		}
	}
	result, info := porcupine.CheckOperationsVerbose(model, ops, 30*time.Second)
	if result != porcupine.Ok {
		path := filepath.Join(os.TempDir(), "muster-history.html")
		err := porcupine.VisualizePath(model, info, path)
		t.Errorf("there is no order in which each of %d operations was answered rightly (%s): look at %s (%v)", len(ops), result, path, err)
	}
	if len(ops)-unknown < least {
		t.Errorf("%d operations were answered: too few to show anything", len(ops)-unknown)
	}
	t.Logf("%d operations, %d of them without an answer: %s", len(ops), unknown, result)
}
