package gameday

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/musterdev/muster/shop/shopper"
	"github.com/musterdev/muster/shop/verify"
)

// What a run with chaos is held to besides: it must have met enough trouble to prove
// anything.
const (
	killsAMinute = 20
	killsEach    = 2   // of every kind, in a run of a minute
	ordersEnded  = 500 // in a run of a minute
	chargesTold  = 200 // from so many on the shares are judged
	shareLeast   = 5   // in 100 charges, of each kind of trouble
	longRun      = time.Minute
)

// Careless is what the one shopper without keys met.
type Careless struct {
	Requests int      `json:"requests"`
	Orders   int      `json:"orders"`
	Failed   int      `json:"failed"`
	Failures []string `json:"failures,omitempty"`
}

func carelessOf(t shopper.Tally) Careless {
	return Careless{Requests: t.Requests, Orders: t.Orders, Failed: t.Failed, Failures: t.Failures}
}

// Outcome is what was found when shoppers had shopped.
type Outcome struct {
	Requests    int                `json:"requests"`
	Orders      int                `json:"orders"` // accepted
	Failed      int                `json:"failed"` // requests
	P50         float64            `json:"p50_ms"`
	P99         float64            `json:"p99_ms"`
	Confirmed   int                `json:"confirmed"`
	Compensated int                `json:"compensated"`
	Lost        int                `json:"lost"`
	Duplicated  int                `json:"duplicated"`
	Failures    []string           `json:"failures,omitempty"`
	Careless    Careless           `json:"careless"`
	Kills       map[string]int     `json:"kills,omitempty"` // by kind of process; nil without chaos
	Money       verify.Money       `json:"money"`
	Charges     verify.Charges     `json:"charges"`
	Violations  []verify.Violation `json:"violations,omitempty"`
	Quiet       float64            `json:"quiet_s"` // until every promise was kept
	Seed        uint64             `json:"seed"`
	Held        bool               `json:"held"`
	Missed      []string           `json:"missed,omitempty"` // the targets that did not hold

	shopping string        // what the shoppers say, in one line
	length   time.Duration // of the shopping
}

// found adds what was proven.
func (o *Outcome) found(r verify.Report, quiet time.Duration) {
	o.Confirmed, o.Compensated, o.Lost, o.Duplicated = r.Confirmed, r.Compensated, r.Lost, r.Duplicated
	o.Violations, o.Money, o.Charges, o.Quiet = r.Violations, r.Money, r.Charges, quiet.Seconds()
}

// judge says what held and what did not. Who has no keys must not repeat a request
// that may have had its effect, so each kill may cost that one shopper one answer.
func (o *Outcome) judge() {
	o.Missed = nil
	o.miss(o.Failed > 0, "%d requests failed", o.Failed)
	o.miss(o.Orders == 0, "nobody could order anything")
	o.miss(o.Lost > 0, "%d orders were lost", o.Lost)
	o.miss(o.Duplicated > 0, "%d things were done twice", o.Duplicated)
	o.miss(len(o.Violations) > 0, "%d invariants violated", violated(o.Violations))
	o.miss(o.Careless.Failed > o.killed(), "the shopper without keys failed %d times, in %d kills", o.Careless.Failed, o.killed())
	if o.Kills != nil {
		o.judgeChaos()
	}
	o.Held = len(o.Missed) == 0
}

func (o *Outcome) judgeChaos() {
	least := int(killsAMinute * o.length / time.Minute)
	o.miss(o.killed() < least, "%d processes were killed, at least %d were to be", o.killed(), least)
	if o.length >= longRun {
		for _, kind := range slices.Sorted(maps.Keys(o.Kills)) {
			o.miss(o.Kills[kind] < killsEach, "%s was killed %d times, at least %d were wanted", kind, o.Kills[kind], killsEach)
		}
		ended := o.Confirmed + o.Compensated
		o.miss(ended < ordersEnded, "%d orders ended, at least %d were wanted", ended, ordersEnded)
	}
	if o.Charges.Total >= chargesTold {
		for _, s := range o.shares() {
			o.miss(s.n*100 < shareLeast*o.Charges.Total, "%d of %d charges %s, at least %d %% were wanted", s.n, o.Charges.Total, s.what, shareLeast)
		}
	}
}

func (o *Outcome) miss(missed bool, format string, args ...any) {
	if missed {
		o.Missed = append(o.Missed, fmt.Sprintf(format, args...))
	}
}

func (o *Outcome) killed() (total int) {
	for _, n := range o.Kills {
		total += n
	}
	return total
}

type share struct {
	n    int
	what string
}

func (o *Outcome) shares() []share {
	return []share{{o.Charges.Declined, "declined"}, {o.Charges.TimedOut, "timed out"}, {o.Charges.Retried, "retried with the same key"}}
}

// Print writes it for people.
func (o *Outcome) Print(w io.Writer) error {
	var b strings.Builder
	for _, kind := range slices.Sorted(maps.Keys(o.Kills)) {
		fmt.Fprintf(&b, "kills of %s: %d\n", kind, o.Kills[kind])
	}
	if o.Kills != nil {
		fmt.Fprintf(&b, "kills: %d, seed %d\n", o.killed(), o.Seed)
	}
	for _, f := range o.Failures {
		fmt.Fprintf(&b, "failed: %s\n", f)
	}
	fmt.Fprintf(&b, "one shopper without keys: requests=%d orders=%d failed=%d\n", o.Careless.Requests, o.Careless.Orders, o.Careless.Failed)
	for _, f := range o.Careless.Failures {
		fmt.Fprintf(&b, "  failed: %s\n", f)
	}
	fmt.Fprintf(&b, "charges: %d", o.Charges.Total)
	for _, s := range o.shares() {
		fmt.Fprintf(&b, ", %.1f %% %s", 100*float64(s.n)/float64(max(1, o.Charges.Total)), s.what)
	}
	fmt.Fprintf(&b, "\nmoney in cents: %d captured - %d refunded, confirmed orders cost %d\n", o.Money.Captured, o.Money.Refunded, o.Money.Sold)
	fmt.Fprintf(&b, "invariants: %d proven, %d violated, %.1f s after the last shopper\n", len(verify.Invariants()), violated(o.Violations), o.Quiet)
	for _, v := range o.Violations {
		fmt.Fprintf(&b, "violated: %s\n", v)
	}
	fmt.Fprintf(&b, "%s confirmed=%d compensated=%d lost=%d duplicated=%d\n", o.shopping, o.Confirmed, o.Compensated, o.Lost, o.Duplicated)
	_, err := io.WriteString(w, b.String())
	return err
}

func violated(list []verify.Violation) int {
	seen := map[string]bool{}
	for _, v := range list {
		seen[v.Invariant] = true
	}
	return len(seen)
}
