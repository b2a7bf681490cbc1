// Package verify proves the shop's invariants on the services' databases: what must
// hold whatever crashed, was repeated or ran at the same time. It is asked after some
// seconds of quiet, when nothing is under way any more.
package verify

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/musterdev/muster/shop/shopper"
)

// Stores are the databases of the four services. They are only read.
type Stores struct {
	Catalog, Cart, Inventory, Orders *sql.DB
}

// Violation is one fact that contradicts an invariant.
type Violation struct {
	Invariant string `json:"invariant"` // one of Invariants
	Fact      string `json:"fact"`      // what was found, and where
}

// String returns the violation on one line.
func (v Violation) String() string { return v.Invariant + ": " + v.Fact }

// maxFacts bounds the facts told of one invariant; that there are more is told.
const maxFacts = 10

// invariant is a sentence that must be true and the search for what contradicts it.
type invariant struct {
	holds string
	find  func(world, func(fact string, args ...any))
}

// unreadable is the invariant that a store which cannot be read violates: what is
// not seen is not proven.
const unreadable = "every store can be read"

// Invariants returns the sentences that Check proves, in the order of its answer.
func Invariants() []string {
	names := []string{unreadable}
	for _, i := range invariants() {
		names = append(names, i.holds)
	}
	return names
}

// Check returns what contradicts the invariants, nothing when all hold. promised is
// what shoppers were told: the shop must have done it, once.
func Check(ctx context.Context, stores Stores, promised shopper.Ledger) []Violation {
	w, err := load(ctx, stores)
	if err != nil {
		return []Violation{{unreadable, err.Error()}}
	}
	w.promised = promised
	var found []Violation
	for _, i := range invariants() {
		facts := 0
		i.find(w, func(fact string, args ...any) {
			if facts++; facts <= maxFacts {
				found = append(found, Violation{i.holds, fmt.Sprintf(fact, args...)})
			}
		})
		if more := facts - maxFacts; more > 0 {
			found = append(found, Violation{i.holds, fmt.Sprintf("and %d more", more)})
		}
	}
	return found
}
