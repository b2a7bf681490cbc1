package datatest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/tx"
)

func runMigrate(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"up, status and down":          migrateUpAndDown,
		"a failure names its place":    migrateFailure,
		"without a transaction":        migrateNoTransaction,
		"settings do not leak":         migrateSettings,
		"waits no longer than allowed": migrateWaits,
	})
}

// runMigrations is what needs no transactions of statements that change the schema.
func runMigrations(t *testing.T, fresh Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"refuses another order":    migrateOrder,
		"a newer release was here": migrateNewer,
		"many at once":             migrateAtOnce,
		"sets beside each other":   migrateSets,
		"rows of an old goose":     migrateOldRows,
	})
}

// files makes migrations of their statements: files("CREATE ...;", ...) numbers from 1.
func files(up ...string) fstest.MapFS {
	fsys := fstest.MapFS{}
	for i, statements := range up {
		fsys[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + statements + "\n")}
	}
	return fsys
}

func versions(t *testing.T, db *sql.DB, set migrate.Set) string {
	t.Helper()
	all, err := set.Status(t.Context(), db)
	dbtest.Succeed(t, err)
	var list []string
	for _, m := range all {
		s := fmt.Sprint(m.Version)
		if m.File == "" {
			s += "?"
		}
		if m.Applied {
			s += "+"
			if time.Since(m.At).Abs() > 25*time.Hour { // the column has no time zone
				t.Errorf("version %d was applied at %s", m.Version, m.At)
			}
		}
		list = append(list, s)
	}
	return strings.Join(list, " ")
}

func migrateUpAndDown(t *testing.T, open func() *sql.DB) {
	db := open()
	fsys := files(
		"CREATE TABLE a (x INTEGER);\nINSERT INTO a VALUES (1);\n-- +goose Down\nDROP TABLE a;",
		"-- +goose StatementBegin\nINSERT INTO a VALUES (2);\nINSERT INTO a VALUES (3);\n-- +goose StatementEnd\n-- +goose Down\nDELETE FROM a WHERE x > 1;",
	)
	set := migrate.Set{Files: fsys}
	dbtest.Want(t, "status of a new database", versions(t, db, set), "1 2")
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Want(t, "status", versions(t, db, set), "1+ 2+")
	dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM a"), 3)

	fsys["00003_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nINSERT INTO a VALUES (4);\n")}
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Want(t, "status with one more file", versions(t, db, set), "1+ 2+ 3+")
	if err := migrate.Down(t.Context(), db, fsys); err == nil || !strings.HasPrefix(err.Error(), `00003_step.sql: there is no "-- +goose Down"`) {
		t.Errorf("undoing what cannot be undone: %v", err)
	}
	delete(fsys, "00003_step.sql")
	if err := migrate.Down(t.Context(), db, fsys); err == nil || !strings.Contains(err.Error(), "version 3") {
		t.Errorf("undoing without the file: %v", err)
	}
	dbtest.Execute(t, db, "DELETE FROM goose_db_version WHERE version_id = 3")
	dbtest.Succeed(t, migrate.Down(t.Context(), db, fsys))
	dbtest.Want(t, "rows after a step down", dbtest.Value[int](t, db, "SELECT count(*) FROM a"), 1)
	dbtest.Succeed(t, migrate.Down(t.Context(), db, fsys))
	dbtest.Want(t, "status at the bottom", versions(t, db, set), "1 2")
	if err := migrate.Down(t.Context(), db, fsys); err == nil || !strings.Contains(err.Error(), "nothing to undo") {
		t.Errorf("below the bottom: %v", err)
	}
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Want(t, "status up again", versions(t, db, set), "1+ 2+")
}

func migrateFailure(t *testing.T, open func() *sql.DB) {
	db := open()
	fsys := files("CREATE TABLE a (x INTEGER);", "CREATE TABLE b (x INTEGER);\n\nINSERT INTO b\n  VALUES (1, 2, 3);\nCREATE TABLE c (x INTEGER);")
	err := migrate.Run(t.Context(), db, fsys)
	var e *migrate.Error
	if !errors.As(err, &e) || e.File != "00002_step.sql" || e.Line < 4 || e.Line > 5 || !strings.HasPrefix(e.Statement, "INSERT INTO b") {
		t.Fatalf("%v", err)
	}
	if s := err.Error(); !strings.Contains(s, "in: INSERT INTO b VALUES (1, 2, 3);") || strings.Contains(s, "\n") {
		t.Error(s)
	}
	dbtest.Want(t, "status", versions(t, db, migrate.Set{Files: fsys}), "1+ 2")
	fsys["00002_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE b (x INTEGER);\n")} // would fail had the first try left its b
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
}

func migrateNoTransaction(t *testing.T, open func() *sql.DB) {
	db := open()
	fsys := files("CREATE TABLE a (x INTEGER);", "-- +goose NO TRANSACTION\nVACUUM;\nINSERT INTO a VALUES (1);") // VACUUM runs in no transaction
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM a"), 1)
	fsys["00003_step.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n-- +goose NO TRANSACTION\nINSERT INTO a VALUES (2);\nnonsense;\n-- +goose Down\nDELETE FROM a;\n")}
	err := migrate.Run(t.Context(), db, fsys)
	if err == nil || !strings.HasPrefix(err.Error(), "00003_step.sql:4:") || !strings.Contains(err.Error(), "the 1 statements before it stay") {
		t.Error(err)
	}
	dbtest.Want(t, "rows", dbtest.Value[int](t, db, "SELECT count(*) FROM a"), 2)
	dbtest.Want(t, "status", versions(t, db, migrate.Set{Files: fsys}), "1+ 2+ 3")
}

func migrateOrder(t *testing.T, open func() *sql.DB) {
	db := open()
	times := func(names ...string) fstest.MapFS {
		fsys := fstest.MapFS{}
		for _, n := range names {
			fsys[n] = &fstest.MapFile{Data: []byte("-- +goose Up\nCREATE TABLE t" + n[:8] + " (x INTEGER);\n")}
		}
		return fsys
	}
	dbtest.Succeed(t, migrate.Run(t.Context(), db, times("20260101_a.sql", "20260301_c.sql")))
	err := migrate.Run(t.Context(), db, times("20260101_a.sql", "20260201_b.sql", "20260301_c.sql"))
	if err == nil || !strings.HasPrefix(err.Error(), "20260201_b.sql: not applied, though version 20260301 is: the order has changed") {
		t.Error(err)
	}
	dbtest.Succeed(t, migrate.Run(t.Context(), db, times("20260101_a.sql", "20260301_c.sql", "20260401_d.sql")))
	err = migrate.Run(t.Context(), db, times("20260101_a.sql", "20260401_d.sql"))
	if err == nil || !strings.Contains(err.Error(), "version 20260301, whose file is gone") {
		t.Error(err)
	}
}

func migrateNewer(t *testing.T, open func() *sql.DB) {
	db := open()
	dbtest.Succeed(t, migrate.Run(t.Context(), db, files("CREATE TABLE a (x INTEGER);", "CREATE TABLE b (x INTEGER);")))
	older := files("CREATE TABLE a (x INTEGER);")
	dbtest.Succeed(t, migrate.Run(t.Context(), db, older))
	dbtest.Want(t, "status", versions(t, db, migrate.Set{Files: older}), "1+ 2?+")
}

func migrateAtOnce(t *testing.T, open func() *sql.DB) {
	const pools, each = 4, 3
	fsys := files("CREATE TABLE a (x INTEGER);", "INSERT INTO a VALUES (1);", "-- +goose NO TRANSACTION\nINSERT INTO a VALUES (2);", "CREATE TABLE b (x INTEGER);")
	dbs := make([]*sql.DB, pools)
	for i := range dbs {
		dbs[i] = open()
	}
	dbtest.Together(pools*each, func(i int) {
		if err := migrate.Run(t.Context(), dbs[i%pools], fsys); err != nil {
			t.Error(err)
		}
	})
	dbtest.Want(t, "rows", dbtest.Value[int](t, dbs[0], "SELECT count(*) FROM a"), 2)
	dbtest.Want(t, "records", dbtest.Value[int](t, dbs[0], "SELECT count(*) FROM goose_db_version"), 5) // with goose's version 0
}

func migrateSets(t *testing.T, open func() *sql.DB) {
	db := open()
	a := migrate.Set{Files: files("CREATE TABLE a (x INTEGER);", "CREATE TABLE a2 (x INTEGER);")}
	b := migrate.Set{Files: files("CREATE TABLE b (x INTEGER);"), Table: "b_version"}
	dbtest.Succeed(t, a.Run(t.Context(), db))
	dbtest.Succeed(t, b.Run(t.Context(), db))
	dbtest.Want(t, "status of a", versions(t, db, a), "1+ 2+")
	dbtest.Want(t, "status of b", versions(t, db, b), "1+")
}

func migrateSettings(t *testing.T, open func() *sql.DB) {
	db := open()
	set, get := "SET statement_timeout = 12345;", "SHOW statement_timeout"
	if d, err := tx.DialectOf(db); err == nil && d == tx.SQLite {
		set, get = "PRAGMA foreign_keys = OFF;", "PRAGMA foreign_keys"
	}
	before := dbtest.Value[string](t, db, get)
	dbtest.Succeed(t, migrate.Run(t.Context(), db, files("-- +goose NO TRANSACTION\n"+set)))
	for range 3 {
		dbtest.Want(t, get, dbtest.Value[string](t, db, get), before)
	}
}

func migrateWaits(t *testing.T, open func() *sql.DB) {
	holder, db := open(), open()
	conn, err := holder.Conn(t.Context())
	dbtest.Succeed(t, err)
	defer conn.Close()
	hold, release := "SELECT pg_advisory_lock(4097083626)", "SELECT pg_advisory_unlock(4097083626)" // the key of goose
	if d, err := tx.DialectOf(db); err == nil && d == tx.SQLite {
		hold, release = "BEGIN IMMEDIATE", "ROLLBACK"
	}
	dbtest.Execute(t, conn, hold)
	fsys := files("CREATE TABLE a (x INTEGER);")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := migrate.Run(ctx, db, fsys); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "lock") {
		t.Errorf("while another migrates: %v", err)
	}
	dbtest.Execute(t, conn, release)
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
}

func migrateOldRows(t *testing.T, open func() *sql.DB) {
	db := open()
	fsys := files("CREATE TABLE a (x INTEGER);", "CREATE TABLE b (x INTEGER);")
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Execute(t, db, "DROP TABLE b")
	dbtest.Execute(t, db, "INSERT INTO goose_db_version (version_id, is_applied) VALUES ($1, $2)", 2, false) // how goose once undid
	dbtest.Want(t, "status", versions(t, db, migrate.Set{Files: fsys}), "1+ 2")
	dbtest.Succeed(t, migrate.Run(t.Context(), db, fsys))
	dbtest.Want(t, "status", versions(t, db, migrate.Set{Files: fsys}), "1+ 2+")
	dbtest.Want(t, "table b", dbtest.Value[int](t, db, "SELECT count(*) FROM b"), 0)
}
