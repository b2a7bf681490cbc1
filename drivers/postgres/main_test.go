package postgres_test

import (
	"os"
	"testing"

	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
