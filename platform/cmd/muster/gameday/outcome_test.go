package gameday

import (
	"strings"
	"testing"
	"time"

	"github.com/musterdev/muster/shop/verify"
)

// proven is a minute of chaos that met enough of everything.
func proven() Outcome {
	return Outcome{
		Orders: 700, Confirmed: 600, Compensated: 100, length: time.Minute,
		Kills:   map[string]int{"cart": 6, "card": 5, "edge": 5, "broker": 5},
		Charges: verify.Charges{Total: 700, Declined: 50, TimedOut: 40, Retried: 80},
	}
}

func TestOutcomeSaysWhatDidNotHold(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(*Outcome)
		want  string // "": it holds
	}{
		{"all is well", func(*Outcome) {}, ""},
		{"no chaos", func(o *Outcome) { *o = Outcome{Orders: 1} }, ""},
		{"the shopper without keys lost an answer in each kill", func(o *Outcome) { o.Careless.Failed = 21 }, ""},
		{"and one more", func(o *Outcome) { o.Careless.Failed = 22 }, "failed 22 times, in 21 kills"},
		{"requests", func(o *Outcome) { o.Failed = 3 }, "3 requests failed"},
		{"nothing", func(o *Outcome) { *o = Outcome{} }, "nobody could order"},
		{"lost", func(o *Outcome) { o.Lost = 2 }, "2 orders were lost"},
		{"twice", func(o *Outcome) { o.Duplicated = 1 }, "1 things were done twice"},
		{"one invariant", func(o *Outcome) { o.Violations = []verify.Violation{{Invariant: "a"}, {Invariant: "a"}} }, "1 invariants violated"},
		{"few kills", func(o *Outcome) { o.Kills = map[string]int{"cart": 10, "edge": 9} }, "19 processes were killed, at least 20 were to be"},
		{"few kills of a short run", func(o *Outcome) { o.length, o.Kills = 30*time.Second, map[string]int{"edge": 9} }, "9 processes were killed, at least 10"},
		{"enough kills of a short run", func(o *Outcome) { o.length, o.Kills = 30*time.Second, map[string]int{"edge": 9, "cart": 1} }, ""},
		{"a kind", func(o *Outcome) { o.Kills["control"] = 1 }, "control was killed 1 times"},
		{"few orders", func(o *Outcome) { o.Confirmed = 399 }, "499 orders ended"},
		{"few orders of a short run", func(o *Outcome) { o.Confirmed, o.length = 399, 59*time.Second }, ""},
		{"declined", func(o *Outcome) { o.Charges.Declined = 34 }, "34 of 700 charges declined"},
		{"timed out", func(o *Outcome) { o.Charges.TimedOut = 34 }, "34 of 700 charges timed out"},
		{"retried", func(o *Outcome) { o.Charges.Retried = 34 }, "34 of 700 charges retried with the same key"},
		{"too few charges to tell", func(o *Outcome) { o.Charges = verify.Charges{Total: 199} }, ""},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			o := proven()
			tc.spoil(&o)
			o.judge()
			if got := strings.Join(o.Missed, "; "); o.Held != (tc.want == "") || !strings.Contains(got, tc.want) {
				t.Errorf("held %v, missed %q, want %q", o.Held, got, tc.want)
			}
		})
	}
}

func TestOutcomeIsPrinted(t *testing.T) {
	o := proven()
	o.shopping, o.Seed = "requests=9 orders=700 failed=0 p50=1ms p99=2ms", 7
	o.found(verify.Report{
		Confirmed: 600, Compensated: 100, Lost: 1, Duplicated: 2, Charges: o.Charges, Money: verify.Money{Captured: 30, Refunded: 10, Sold: 20},
		Violations: []verify.Violation{{Invariant: "every order ends", Fact: "order o-1 is still pending"}},
	}, time.Second)
	var b strings.Builder
	if err := o.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"kills of cart: 6\n", "kills: 21, seed 7\n",
		"charges: 700, 7.1 % declined, 5.7 % timed out, 11.4 % retried with the same key\n",
		"money in cents: 30 captured - 10 refunded, confirmed orders cost 20\n",
		"1 violated, 1.0 s after the last shopper\nviolated: every order ends: order o-1 is still pending\n",
		"\nrequests=9 orders=700 failed=0 p50=1ms p99=2ms confirmed=600 compensated=100 lost=1 duplicated=2\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, &b)
		}
	}
}
