package postgres_test

import (
	"database/sql"
	"os"
	"os/exec"
	"testing"

	"github.com/musterdev/muster/data/datatest"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestSuite(t *testing.T) {
	pgtest.Start(t) // skips here, by the suite's name, where there is no PostgreSQL
	datatest.Run(t, func(t *testing.T) func() *sql.DB {
		url := pgtest.Database(t)
		return func() *sql.DB { return open(t, url) }
	})
}

func TestNothingIsDoneTwiceWhateverIsKilled(t *testing.T) {
	url := pgtest.Database(t)
	datatest.KillMinusNine(t, func() *sql.DB { return open(t, url) }, func(t *testing.T) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimVariable+"="+url)
		return cmd
	})
}
