package logical_test

import (
	"testing"

	"github.com/musterdev/muster/data/datatest/outboxtest"
	"github.com/musterdev/muster/drivers/postgres/pgtest"
)

func TestOutbox(t *testing.T) {
	pgtest.Start(t) // skips here, by the suite's name, where there is no PostgreSQL
	outboxtest.RunStream(t, fresh, stream)
}
