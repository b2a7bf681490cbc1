package mysql_test

import (
	"database/sql"
	"os"
	"os/exec"
	"testing"

	"github.com/musterdev/muster/data/datatest/sagakill"
	"github.com/musterdev/muster/data/datatest/sagatest"
	"github.com/musterdev/muster/drivers/mysql/mysqltest"
)

func TestSagas(t *testing.T) {
	server := mysqltest.Start(t)
	sagatest.Run(t, func(t *testing.T) func() *sql.DB {
		url := server.Database(t)
		return func() *sql.DB { return open(t, url) }
	})
}

// The test starts this binary again for each process that it kills: this test of it.
const sagaVictim = "MUSTER_MYSQL_TEST_SAGA_VICTIM"

func TestSagasSurviveWhoeverIsKilled(t *testing.T) {
	if url := os.Getenv(sagaVictim); url != "" {
		if err := sagakill.Victim(t.Context(), open(t, url)); err != nil {
			t.Error(err)
		}
		return
	}
	url := mysqltest.Start(t).Database(t)
	sagakill.MinusNine(t, func() *sql.DB { return open(t, url) }, func(t *testing.T) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
		cmd.Env = append(os.Environ(), sagaVictim+"="+url)
		return cmd
	})
}
