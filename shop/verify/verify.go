// Package verify proves the shop's invariants on the services' databases, the card
// processor's ledger, the mails, and what shoppers were told: what must hold whatever
// crashed, was repeated or ran at the same time. It is asked after some seconds of
// quiet, when nothing is under way any more.
package verify

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/musterdev/muster/shop/shopper"
)

// Stores are what the shop keeps. They are only read.
type Stores struct {
	Catalog, Cart, Inventory, Orders, Payments, Shipping *sql.DB

	Search *sql.DB // nil: nobody searches
	Card   *sql.DB // of the card processor: its ledger is nobody's who is judged here
	Broker *sql.DB // where the broker parks what it could not push; nil: it pushes nothing
	Mails  string  // the folder of the mails that were sent; "": none are, notify is left out
}

// Report is what was found.
type Report struct {
	Violations []Violation // none when all invariants hold

	Confirmed, Compensated int // orders that ended, by how
	// Lost counts orders that were accepted and are missing, have not ended, or are
	// confirmed without their payment, their parcel or their mail.
	Lost int
	// Duplicated counts what was done more than once for one order or key: payments,
	// refunds, parcels, mails, orders, lines sold.
	Duplicated int

	Money   Money
	Charges Charges
}

// Money is what the card processor holds for the shop, in cents.
type Money struct {
	Captured int64 `json:"captured_cents"`
	Refunded int64 `json:"refunded_cents"`
	Sold     int64 `json:"sold_cents"` // the confirmed orders' totals, as the shop has them
}

// Charges counts the charges that the card processor was asked for, each once however
// often it was asked, and how many of them met which trouble.
type Charges struct {
	Total    int `json:"total"`
	Declined int `json:"declined"`
	TimedOut int `json:"timed_out"` // carried out, and the answer withheld
	Retried  int `json:"retried"`   // asked for again under the same key
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
	find  func(*world, func(fact string, args ...any))
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

// Check looks for what contradicts the invariants. promised is what shoppers were told:
// the shop must have done it, once.
func Check(ctx context.Context, stores Stores, promised shopper.Ledger) Report {
	w, err := load(ctx, stores)
	if err != nil {
		return Report{Violations: []Violation{{unreadable, err.Error()}}}
	}
	w.promised = promised
	report := w.count()
	for _, i := range invariants() {
		facts := 0
		i.find(w, func(fact string, args ...any) {
			if facts++; facts <= maxFacts {
				report.Violations = append(report.Violations, Violation{i.holds, fmt.Sprintf(fact, args...)})
			}
		})
		if more := facts - maxFacts; more > 0 {
			report.Violations = append(report.Violations, Violation{i.holds, fmt.Sprintf("and %d more", more)})
		}
	}
	return report
}
