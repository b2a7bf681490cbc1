// Package parkingtest is the part of the suite that package parking must pass.
package parkingtest

import (
	"database/sql"
	"strings"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/data/datatest/dbtest"
	"github.com/musterdev/muster/data/parking"
)

// Run runs this part of the suite.
func Run(t *testing.T, fresh dbtest.Fresh) {
	dbtest.Each(t, fresh, map[string]func(*testing.T, func() *sql.DB){
		"in order within a key":           inOrder,
		"without a key in any order":      keyless,
		"what comes back":                 contents,
		"parked once":                     parkedOnce,
		"leased to one":                   leased,
		"leased to one at a time":         leasedAtOnce,
		"a crash counts as a try":         crashed,
		"no more than asked for":          bounded,
		"kept while it is tried":          kept,
		"later":                           later,
		"the dead hold their key":         dead,
		"all redriven":                    redrivenAll,
		"discarded":                       discarded,
		"many replicas in order":          replicas,
		"with the consumer":               withConsumer,
		"lists":                           lists,
		"http":                            overHTTP,
		"a row that cannot be read":       unreadable,
		"what is refused at the door":     badInput,
		"without its table":               unmigrated,
		"its schema is apart and current": schema,
	})
}

const group = "books"

func store(t *testing.T, open func() *sql.DB) (*parking.Store, *sql.DB) {
	t.Helper()
	db := open()
	dbtest.Succeed(t, parking.Migrate(t.Context(), db))
	return another(t, db), db
}

func another(t *testing.T, db *sql.DB) *parking.Store {
	t.Helper()
	s, err := parking.New(db)
	dbtest.Succeed(t, err)
	return s
}

func message(key, id string) bus.Parked {
	return bus.Parked{Msg: bus.Msg{ID: id, Source: "/test", Topic: "test.paid", Key: key, Data: []byte("{}")}, Group: group}
}

func park(t *testing.T, s *parking.Store, key string, ids ...string) {
	t.Helper()
	for _, id := range ids {
		dbtest.Succeed(t, s.Park(t.Context(), message(key, id)))
	}
}

func due(t *testing.T, s *parking.Store, most int) []bus.Parked {
	t.Helper()
	list, err := s.Due(t.Context(), group, most)
	dbtest.Succeed(t, err)
	return list
}

// ids returns the messages' ids, in their order.
func ids(list []bus.Parked) string {
	var all []string
	for _, p := range list {
		all = append(all, p.ID)
	}
	return strings.Join(all, " ")
}

func settle(t *testing.T, s *parking.Store, p bus.Parked, o bus.Outcome) {
	t.Helper()
	dbtest.Succeed(t, s.Settle(t.Context(), p, o))
}

func list(t *testing.T, s *parking.Store, f parking.Filter) []parking.Entry {
	t.Helper()
	l, err := s.List(t.Context(), f)
	dbtest.Succeed(t, err)
	return l
}

// lapse ends all leases, as if their time had passed.
func lapse(t *testing.T, db *sql.DB) {
	t.Helper()
	dbtest.Execute(t, db, "UPDATE muster_parked SET leased_until = 1 WHERE leased_until > 1")
}
