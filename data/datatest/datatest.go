// Package datatest is the suite every database driver passes: what the packages below
// data promise, on a real engine. A driver's tests call [Run], and [KillMinusNine] with
// processes of their own. The larger patterns have their part of it in packages of
// their own, below.
package datatest

import (
	"testing"

	"github.com/musterdev/muster/data/datatest/comparetest"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/inboxtest"
	"github.com/musterdev/muster/data/datatest/leasetest"
	"github.com/musterdev/muster/data/datatest/locktest"
	"github.com/musterdev/muster/data/datatest/outboxtest"
	"github.com/musterdev/muster/data/datatest/parkingtest"
	"github.com/musterdev/muster/data/datatest/projectiontest"
)

// Fresh makes a new, empty database for one test and returns how to open it: each
// call of open is one more pool, as another process would have. Pools are closed and
// the database is removed when t ends.
type Fresh = dbtest.Fresh

// Run runs the whole suite.
func Run(t *testing.T, fresh Fresh) {
	for name, test := range map[string]func(*testing.T, Fresh){"tx": runTx, "migrate": runMigrate, "projection": projectiontest.Run} {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
	Patterns(t, fresh)
}

// Patterns runs the part of the suite whose tables and statements every engine understands, SQLite's and
// PostgreSQL's kin or not. Left out is what needs transactions of statements that change the schema.
func Patterns(t *testing.T, fresh Fresh) {
	for name, test := range map[string]func(*testing.T, Fresh){
		"transactions": runTransactions,
		"migrations":   runMigrations,
		"idempotency":  runIdempotency,
		"claim":        runClaim,
		"http":         runHTTP,
		"grpc":         runGRPC,
		"lease":        leasetest.Run,
		"outbox":       outboxtest.Run,
		"inbox":        inboxtest.Run,
		"lock":         locktest.Run,
		"compare":      comparetest.Run,
		"parking":      parkingtest.Run,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
}
