package postgres_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/musterdev/muster/data/datatest"
	"github.com/musterdev/muster/drivers/postgres"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

// The tests start this very binary again as other processes; the variable holds the
// database's URL.
const victimVariable = "MUSTER_POSTGRES_TEST_VICTIM"

func TestMain(m *testing.M) {
	if url := os.Getenv(victimVariable); url != "" {
		if err := victim(context.Background(), url, os.Stdout); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(pgtest.Main(m))
}

func victim(ctx context.Context, url string, w io.Writer) error {
	db, err := postgres.Driver.Open(ctx, url)
	if err != nil {
		return err
	}
	return datatest.Victim(ctx, db, w)
}
