// Package sagatest is the part of the suite of package datatest that holds what
// package saga promises against a real engine.
package sagatest

import (
	"database/sql"
	"testing"

	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/datatest/sagatest/holding"
	"github.com/musterdev/muster/data/datatest/sagatest/stage"
	"github.com/musterdev/muster/data/datatest/sagatest/together"
)

// Run runs the suite. A driver's tests call it.
func Run(t *testing.T, fresh dbtest.Fresh) {
	for name, test := range map[string]func(*testing.T, dbtest.Fresh){
		"steps":    runSteps,
		"crash":    runCrash,
		"fence":    runFence,
		"many":     runMany,
		"answer":   runAnswer,
		"people":   runPeople,
		"mend":     runMend,
		"http":     runHTTP,
		"lost":     runLost,
		"together": together.Run,
		"versions": together.RunVersions,
		"holding":  holding.Run,
	} {
		t.Run(name, func(t *testing.T) { test(t, fresh) })
	}
}

// world is a stage, with what only this package plays on it.
type world struct{ *stage.World }

type (
	trip   = stage.Trip
	engine = stage.Engine
)

func newWorld(t testing.TB, open func() *sql.DB) *world {
	t.Helper()
	return &world{stage.New(t, open)}
}
