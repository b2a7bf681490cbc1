package sqlite

import (
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/data/tx"
)

func TestADatabaseInMemoryBehavesLikeAFile(t *testing.T) {
	a, err := Driver.Open(t.Context(), "sqlite::memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Driver.Open(t.Context(), "sqlite::memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	exec(t, a, "CREATE TABLE t (x INTEGER)")
	exec(t, b, "CREATE TABLE t (x INTEGER)") // another database
	err = tx.Do(t.Context(), a, func(_ context.Context, w *sql.Tx) error {
		exec(t, w, "INSERT INTO t VALUES (1)")
		if n := value[int](t, a, "SELECT count(*) FROM t"); n != 0 { // another connection to the same database
			t.Errorf("a reader saw %d uncommitted rows", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, a, "SELECT count(*) FROM t"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	var folder string
	if err := a.QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list").Scan(&folder); err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(folder)); !os.IsNotExist(err) {
		t.Errorf("left behind: %s (%v)", folder, err)
	}
}

func TestTheMemoryOfKilledProcessesIsSwept(t *testing.T) {
	base := t.TempDir()
	dead, alive, err := claimFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	alive.Close() // as the system does for a killed process
	living, alive, err := claimFolder(base)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	sweepMemory(base)
	if _, err := os.Stat(dead); !os.IsNotExist(err) {
		t.Errorf("%s was kept: %v", dead, err)
	}
	if _, err := os.Stat(living); err != nil {
		t.Errorf("%s was swept away under its owner: %v", living, err)
	}
}
