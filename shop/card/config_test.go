package card

import (
	"fmt"
	"strings"
	"testing"
)

// Of many references each behaviour gets its share, the same ones for the same seed.
func TestFate(t *testing.T) {
	const references = 20_000
	shares, moved, both := map[behaviour]int{}, 0, 0
	other := defaults
	other.Seed = 7
	for i := range references {
		reference := fmt.Sprint("o-", i)
		how := defaults.fate(charge, reference)
		shares[how]++
		if how != defaults.fate(charge, reference) {
			t.Fatalf("%s fares differently the second time", reference)
		}
		if how != other.fate(charge, reference) {
			moved++
		}
		back := defaults.fate(refund, reference)
		if back == decline {
			t.Fatalf("the refund of %s is declined", reference)
		}
		if how == timeout && back == timeout {
			both++
		}
	}
	for how, percent := range map[behaviour]int{plain: 60, decline: 10, delay: 10, timeout: 10, twice: 10} {
		if got, fair := shares[how], references*percent/100; got < fair*85/100 || got > fair*115/100 {
			t.Errorf("%s: %d of %d, want about %d", how, got, references, fair)
		}
	}
	if moved < references/4 {
		t.Errorf("with another seed %d of %d fare differently", moved, references)
	}
	if both == 0 || both > shares[timeout]/4 {
		t.Errorf("of %d charges whose answer is lost the refund's is lost too for %d", shares[timeout], both)
	}
	for _, cfg := range []Config{{Decline: 100}, {Delay: 100}, {Timeout: 100}, {Twice: 100}} {
		for _, share := range cfg.shares() {
			if got := cfg.fate(charge, "o-1"); (got == share.of) != (share.percent == 100) {
				t.Errorf("%+v: %s", cfg, got)
			}
		}
	}
}

func TestSharesThatCannotBe(t *testing.T) {
	for cfg, want := range map[Config]string{
		{Decline: -1}:                      "decline is -1",
		{Twice: 101}:                       "twice is 101",
		{Decline: 50, Delay: 50}:           "",
		{Decline: 50, Delay: 50, Twice: 1}: "101 percent together",
		defaults:                           "",
	} {
		if err := cfg.Validate(); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}
