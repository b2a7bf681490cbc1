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

// Equal candidates take turns by weight, so that an idle fleet shares its calls.
func TestLeastTakesTurns(t *testing.T) {
	for name, weights := range map[string][]int{"equal": {100, 100, 100}, "one half": {100, 50, 50}, "a canary": {1, 99}, "many": {7, 13, 80, 400, 500}} {
		list, total := make([]balance.Candidate, len(weights)), 0
		for i, w := range weights {
			list[i].Weight = w
			total += w
		}
		const turns = 10_000
		seen := make([]int, len(list))
		for turn := range uint64(turns) {
			seen[balance.Least(list, turn)]++
		}
		for i, w := range weights {
			want := turns * w / total
			if d := seen[i] - want; d < -20 || d > 20 {
				t.Errorf("%s: candidate %d of weight %d was chosen %d times of %d, want about %d", name, i, w, seen[i], turns, want)
			}
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
					c.Suspect == got.Suspect && c.Load*int64(got.Weight) < got.Load*int64(c.Weight))
			if better {
				t.Fatalf("%+v was chosen although %+v is better", got, c)
			}
		}
	}
}
