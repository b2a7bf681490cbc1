package sqlite

import (
	"database/sql"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"github.com/musterdev/muster/data/datatest/sagakill"
	"github.com/musterdev/muster/data/datatest/sagatest"
)

func TestSagas(t *testing.T) {
	sagatest.Run(t, func(t *testing.T) func() *sql.DB {
		path := filepath.Join(t.TempDir(), "saga.db")
		return func() *sql.DB { return reopen(t, path) }
	})
}

// The test starts this binary again for each process that it kills: this test of it.
const sagaVictim = "MUSTER_SQLITE_TEST_SAGA_VICTIM"

func TestSagasSurviveWhoeverIsKilled(t *testing.T) {
	if path := os.Getenv(sagaVictim); path != "" {
		if err := sagakill.Victim(t.Context(), reopen(t, path)); err != nil {
			t.Error(err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "kill.db")
	sagakill.MinusNine(t, func() *sql.DB { return reopen(t, path) }, func(t *testing.T) *osexec.Cmd {
		cmd := osexec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), sagaVictim+"="+path)
		return cmd
	})
}
