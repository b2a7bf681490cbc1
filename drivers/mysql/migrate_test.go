package mysql_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/musterdev/muster/data/idempotency"
	"github.com/musterdev/muster/data/inbox"
	"github.com/musterdev/muster/data/lock"
	"github.com/musterdev/muster/data/migrate"
	"github.com/musterdev/muster/data/outbox"
	"github.com/musterdev/muster/data/parking"
	"github.com/musterdev/muster/data/projection"
	"github.com/musterdev/muster/data/saga"
	"github.com/musterdev/muster/data/twophase"
	"github.com/musterdev/muster/data/tx"
	"github.com/musterdev/muster/drivers/mysql/mysqltest"
	"github.com/musterdev/muster/webhook"
)

func file(up string) *fstest.MapFile {
	return &fstest.MapFile{Data: []byte("-- +goose Up\n" + up + "\n")}
}

func number(t *testing.T, db *sql.DB, query string) (n int) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), query).Scan(&n); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return n
}

// What a file that fails has done stays, if it has changed the schema, and it says so; mere rows do not.
func TestAMigrationThatFailsInItsMiddle(t *testing.T) {
	db := open(t, mysqltest.Start(t).Database(t))
	files := fstest.MapFS{
		"00001_a.sql": file("CREATE TABLE a (x INTEGER);\n-- +goose Down\nDROP TABLE a;"),
		"00002_b.sql": file("CREATE TABLE b (x INTEGER);\n\nINSERT INTO a VALUES (1);\nINSERT INTO b\n  VALUES (1, 2, 3);"),
	}
	err := migrate.Run(t.Context(), db, files)
	var e *migrate.Error
	if !errors.As(err, &e) || e.File != "00002_b.sql" || e.Line != 5 || !strings.Contains(err.Error(), "the 2 statements before it stay if one of them changed the schema") || strings.Contains(err.Error(), "\n") {
		t.Fatal(err)
	}
	if n := number(t, db, "SELECT count(*) FROM a"); n != 1 {
		t.Errorf("%d rows of the file that failed", n)
	}
	files["00002_b.sql"] = file("INSERT INTO a VALUES (2);\nINSERT INTO b VALUES (1, 2, 3);")
	if err := migrate.Run(t.Context(), db, files); err == nil {
		t.Error("no error")
	}
	if n := number(t, db, "SELECT count(*) FROM a"); n != 1 {
		t.Errorf("%d rows, though the schema was not changed", n)
	}
	status := func() (applied int) {
		t.Helper()
		all, err := migrate.Set{Files: files}.Status(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			if m.Applied {
				applied++
			}
		}
		return applied
	}
	if n := status(); n != 1 {
		t.Errorf("%d are applied", n)
	}
	files["00002_b.sql"] = file("CREATE TABLE IF NOT EXISTS b (x INTEGER);\nINSERT INTO b VALUES (1);\n-- +goose Down\nDROP TABLE b;")
	if err := migrate.Run(t.Context(), db, files); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := migrate.Down(t.Context(), db, files); err != nil {
			t.Fatal(err)
		}
	}
	if n := status(); n != 0 {
		t.Errorf("%d are applied", n)
	}
}

// Who migrates waits for another, as long as his context allows.
func TestTwoWhoMigrate(t *testing.T) {
	url := mysqltest.Start(t).Database(t)
	db, files := open(t, url), fstest.MapFS{"00001_a.sql": file("CREATE TABLE a (x INTEGER);")}
	conn, err := open(t, url).Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }() // the test is over
	var got int
	if err := conn.QueryRowContext(t.Context(), "SELECT GET_LOCK(CONCAT('goose.', DATABASE()), 0)").Scan(&got); err != nil || got != 1 {
		t.Fatal(got, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := migrate.Run(ctx, db, files); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "another process holds") {
		t.Errorf("while another migrates: %v", err)
	}
	other := open(t, mysqltest.Start(t).Database(t)) // of another database nobody waits
	if err := migrate.Run(t.Context(), other, files); err != nil {
		t.Error(err)
	}
	done := make(chan error, 1)
	go func() { done <- migrate.Run(t.Context(), db, files) }()
	if _, err := conn.ExecContext(t.Context(), "DO RELEASE_LOCK(CONCAT('goose.', DATABASE()))"); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Our own tables are made once more where a process ended before it could write down that they are.
func TestOurOwnMigrationsCanBeCutOff(t *testing.T) {
	db := open(t, mysqltest.Start(t).Database(t))
	all := map[string]func(context.Context, *sql.DB) error{
		"muster_outbox_version": outbox.Migrate, "muster_inbox_version": inbox.Migrate, "muster_idempotency_version": idempotency.Migrate,
		"muster_lock_version": lock.Migrate, "muster_parked_version": parking.Migrate, "muster_saga_version": saga.Migrate,
	}
	for range 2 {
		for version, up := range all {
			if err := up(t.Context(), db); err != nil {
				t.Fatal(version, err)
			}
			if _, err := db.ExecContext(t.Context(), "DELETE FROM "+version+" WHERE version_id > 0"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := number(t, db, "SELECT count(*) FROM muster_outbox_turn"); n != 4096 {
		t.Errorf("%d turns", n)
	}
}

// What is not to be had here says so at once.
func TestWhatMariaDBHasNot(t *testing.T) {
	db := open(t, mysqltest.Start(t).Database(t))
	for what, up := range map[string]func(context.Context, *sql.DB) error{
		"projection": projection.Migrate, "webhook": webhook.Migrate, "twophase": twophase.Migrate,
	} {
		if err := up(t.Context(), db); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "not to be had on mysql: keep them in a database of postgres or sqlite") && !strings.Contains(err.Error(), "PostgreSQL") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if d, err := tx.DialectOf(db); err != nil || d != tx.MySQL {
		t.Error(d, err)
	}
}
