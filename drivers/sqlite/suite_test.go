package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/musterdev/muster/data/datatest"
	"github.com/musterdev/muster/data/migrate"
)

func TestSuite(t *testing.T) {
	datatest.Run(t, func(t *testing.T) func() *sql.DB {
		path := filepath.Join(t.TempDir(), "suite.db")
		return func() *sql.DB { return reopen(t, path) }
	})
}

func TestNothingIsDoneTwiceWhateverIsKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kill.db")
	datatest.KillMinusNine(t, func() *sql.DB { return reopen(t, path) }, func(t *testing.T) *osexec.Cmd {
		cmd := osexec.CommandContext(t.Context(), os.Args[0], path)
		cmd.Env = append(os.Environ(), childVariable+"=victim")
		return cmd
	})
}

func victim(ctx context.Context, db *sql.DB) error { return datatest.Victim(ctx, db, os.Stdout) }

// A driver without our lock migrates too: each migration takes SQLite's own.
func TestThePlainDriverMigratesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plain.db")
	files := fstest.MapFS{}
	for i := range 5 {
		files[fmt.Sprintf("%05d_step.sql", i+1)] = &fstest.MapFile{Data: fmt.Appendf(nil, "-- +goose Up\nCREATE TABLE t%d (x INTEGER);\n", i)}
	}
	errs := make(chan error)
	for range 4 {
		db, err := sql.Open("sqlite", "file:"+path+"?_busy_timeout=20000")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		go func() { errs <- migrate.Run(t.Context(), db, files) }()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if n := value[int](t, reopen(t, path), "SELECT count(*) FROM goose_db_version"); n != 6 {
		t.Errorf("%d records, want 5 and goose's 0", n)
	}
}
