package mysql_test

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/musterdev/muster/data/datatest"
	"github.com/musterdev/muster/drivers/mysql"
	"github.com/musterdev/muster/drivers/mysql/mysqltest"
)

// The tests start this very binary again as other processes; the variable holds the database's URL.
const victimVariable = "MUSTER_MYSQL_TEST_VICTIM"

func TestMain(m *testing.M) {
	if url := os.Getenv(victimVariable); url != "" {
		db, err := mysql.Driver.Open(context.Background(), url)
		if err == nil {
			err = datatest.Victim(context.Background(), db, os.Stdout)
		}
		if err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(mysqltest.Main(m))
}

func TestSuite(t *testing.T) {
	server := mysqltest.Start(t) // skips here, by the suite's name, where there is no MariaDB
	datatest.Patterns(t, func(t *testing.T) func() *sql.DB {
		url := server.Database(t)
		return func() *sql.DB { return open(t, url) }
	})
}

func TestEffectsSurviveWhoeverIsKilled(t *testing.T) {
	url := mysqltest.Start(t).Database(t)
	datatest.KillMinusNine(t, func() *sql.DB { return open(t, url) }, func(t *testing.T) *exec.Cmd {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), victimVariable+"="+url)
		return cmd
	})
}
