package balance_test

import (
	"math/rand/v2"
	"testing"

	"github.com/musterdev/muster/call/balance"
)

func TestLeast(t *testing.T) {
	type c = balance.Candidate
	for name, test := range map[string]struct {
		list []c
		want int
	}{
		"none":                              {nil, -1},
		"one":                               {[]c{{Load: 9, Weight: 100}}, 0},
		"least load":                        {[]c{{Load: 3, Weight: 100}, {Load: 1, Weight: 100}, {Load: 2, Weight: 100}}, 1},
		"weight counts":                     {[]c{{Load: 3, Weight: 400}, {Load: 1, Weight: 100}}, 0},
		"suspect comes last":                {[]c{{Load: 0, Weight: 100, Suspect: true}, {Load: 50, Weight: 100}}, 1},
		"suspect is better than none":       {[]c{{Weight: 100, Suspect: true}}, 0},
		"tried comes after suspect":         {[]c{{Weight: 100, Tried: true}, {Weight: 100, Suspect: true}}, 1},
		"tried and idle behind fresh, busy": {[]c{{Weight: 100, Tried: true}, {Load: 1000, Weight: 1}}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			if got := balance.Least(test.list, 0); got != test.want {
				t.Errorf("Least = %d, want %d", got, test.want)
			}
		})
	}
}

// Equal candidates take turns, so that an idle fleet shares its first calls.
func TestLeastTakesTurns(t *testing.T) {
	list := make([]balance.Candidate, 3)
	for i := range list {
		list[i].Weight = 100
	}
	seen := map[int]int{}
	for turn := range uint64(300) {
		seen[balance.Least(list, turn)]++
	}
	for i := range list {
		if seen[i] != 100 {
			t.Errorf("candidate %d was chosen %d times of 300, want 100", i, seen[i])
		}
	}
}

// Whatever the candidates, the chosen one is no worse than any other in each rank.
func TestLeastIsNeverWorse(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 5000 {
		list := make([]balance.Candidate, 1+r.IntN(40))
		for i := range list {
			list[i] = balance.Candidate{Load: r.Int64N(20), Weight: 1 + r.IntN(300), Suspect: r.IntN(4) == 0, Tried: r.IntN(4) == 0}
		}
		got := list[balance.Least(list, r.Uint64N(100))]
		for _, c := range list {
			better := !c.Tried && got.Tried ||
				c.Tried == got.Tried && (!c.Suspect && got.Suspect ||
					c.Suspect == got.Suspect && (c.Load+1)*int64(got.Weight) < (got.Load+1)*int64(c.Weight))
			if better {
				t.Fatalf("%+v was chosen although %+v is better", got, c)
			}
		}
	}
}
