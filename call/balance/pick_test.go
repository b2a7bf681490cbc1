package balance_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

var start = time.Unix(1e9, 0)

func set(cfg balance.Config, list []*balance.Endpoint) *balance.Set {
	s := balance.New(cfg)
	s.Replace(start, list)
	return s
}

// answer makes one call that takes no calls' time.
func answer(e *balance.Endpoint, now time.Time, took time.Duration, o balance.Outcome) {
	e.Begin()
	e.End(now, took, o)
}

// loaded makes the set's caller count as busy: as many calls as given stay in flight.
func loaded(s *balance.Set, list []*balance.Endpoint, each int) {
	for _, e := range list {
		for range each {
			e.Begin()
		}
	}
	for range 500 {
		s.All().Pick(start, balance.Call{})
	}
}

func TestPick(t *testing.T) {
	ms := time.Millisecond
	for name, test := range map[string]struct {
		policy balance.Policy
		n      int
		do     func(list []*balance.Endpoint)
		tried  []int
		want   int
	}{
		"none":                          {n: 0, want: -1},
		"one":                           {n: 1, want: 0},
		"least in flight":               {n: 3, do: func(l []*balance.Endpoint) { l[0].Begin(); l[1].Begin() }, want: 2},
		"least in flight, least-loaded": {policy: balance.LeastLoaded, n: 3, do: func(l []*balance.Endpoint) { l[0].Begin(); l[2].Begin() }, want: 1},
		"the fast one": {n: 3, do: func(l []*balance.Endpoint) {
			for i, d := range []time.Duration{100 * ms, 10 * ms, 120 * ms} {
				for range 2 { // the first is not believed
					answer(l[i], start, d, balance.OK)
				}
			}
		}, want: 1},
		"a slow one counts for its calls": {n: 2, do: func(l []*balance.Endpoint) {
			for i, d := range []time.Duration{100 * ms, 10 * ms} {
				for range 2 {
					answer(l[i], start, d, balance.OK)
				}
			}
			for range 3 {
				l[1].Begin()
			}
		}, want: 1},
		"suspect comes last": {n: 2, do: func(l []*balance.Endpoint) {
			answer(l[0], start, 0, balance.Unreachable)
			l[1].Begin()
		}, want: 1},
		"suspect is better than none": {n: 1, do: func(l []*balance.Endpoint) { answer(l[0], start, 0, balance.Unreachable) }, want: 0},
		"tried comes after suspect":   {n: 2, do: func(l []*balance.Endpoint) { answer(l[0], start, 0, balance.Unreachable) }, tried: []int{1}, want: 0},
		"ejected comes after suspect": {n: 2, do: func(l []*balance.Endpoint) {
			for range 5 {
				answer(l[0], start, ms, balance.Failed)
			}
			answer(l[1], start, 0, balance.Unreachable)
		}, want: 1},
		"shed is not fast": {n: 2, do: func(l []*balance.Endpoint) {
			for range 3 {
				answer(l[0], start, 20*ms, balance.OK)
				answer(l[1], start, 20*ms, balance.OK)
			}
			for range 3 {
				answer(l[0], start, ms/10, balance.Shed)
			}
		}, want: 1},
		"failing fast is not being fast": {n: 2, do: func(l []*balance.Endpoint) {
			for range 3 {
				answer(l[0], start, 40*ms, balance.OK)
				answer(l[1], start, 20*ms, balance.OK)
			}
			answer(l[0], start, 0, balance.Failed)
		}, want: 1},
		"given up counts": {n: 2, do: func(l []*balance.Endpoint) {
			for range 3 {
				answer(l[0], start, 20*ms, balance.OK)
				answer(l[1], start, 40*ms, balance.OK)
			}
			answer(l[0], start, time.Second, balance.Abandoned)
		}, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			list := members(test.n)
			s := set(balance.Config{Policy: test.policy}, list)
			loaded(s, list, 1)
			if test.do != nil {
				test.do(list)
			}
			var c balance.Call
			for _, i := range test.tried {
				c.Tried = append(c.Tried, list[i])
			}
			for turn := range uint64(5) {
				c.Turn = turn
				if got := s.All().Pick(start, c); got != test.want {
					t.Fatalf("turn %d: Pick = %d, want %d", turn, got, test.want)
				}
			}
		})
	}
}

// A caller with nothing to balance shares its calls by weight, exactly.
func TestTurnsByWeight(t *testing.T) {
	for _, p := range []balance.Policy{balance.PeakEWMA, balance.LeastLoaded, balance.Weighted, balance.Random} {
		for name, weights := range map[string][]int{"equal": {100, 100, 100}, "one half": {100, 50, 50}, "a canary": {1, 99}, "many": {7, 13, 80, 400, 500}} {
			list, total := members(len(weights)), 0
			for i, w := range weights {
				list[i].Describe(w, "")
				total += w
			}
			group := set(balance.Config{Policy: p}, list).All()
			const turns = 10_000
			seen := make([]int, len(list))
			for turn := range uint64(turns) {
				now := start.Add(time.Duration(turn) * time.Millisecond)
				i := group.Pick(now, balance.Call{Turn: turn})
				seen[i]++
				answer(list[i], now, 2*time.Millisecond, balance.OK)
			}
			for i, w := range weights {
				want, slack := turns*w/total, 20
				if p == balance.Random {
					slack = int(5 * math.Sqrt(float64(want)))
				}
				if d := seen[i] - want; d < -slack || d > slack {
					t.Errorf("%s, %s: endpoint %d of weight %d was chosen %d times of %d, want about %d", p, name, i, w, seen[i], turns, want)
				}
			}
		}
	}
}

// A busy caller keeps to weights too, however unequal, and starves none.
func TestWeightsUnderLoad(t *testing.T) {
	for _, p := range []balance.Policy{balance.PeakEWMA, balance.LeastLoaded, balance.Weighted} {
		for _, weights := range [][]int{{100, 50, 50}, {100, 100, 10}, {100, 100, 1}, {300, 200, 100, 100}} {
			list, total := members(len(weights)), 0
			for i, w := range weights {
				list[i].Describe(w, "")
				total += w
			}
			s, r := set(balance.Config{Policy: p}, list), rand.New(rand.NewPCG(7, 7))
			const calls, running = 40_000, 30
			var flying []int
			seen := make([]int, len(list))
			for turn := range uint64(calls) {
				now := start.Add(time.Duration(turn) * time.Millisecond)
				i := s.All().Pick(now, balance.Call{Turn: turn})
				list[i].Begin()
				seen[i]++
				if flying = append(flying, i); len(flying) > running {
					k := r.IntN(len(flying))
					list[flying[k]].End(now, running*time.Millisecond, balance.OK)
					flying[k] = flying[running]
					flying = flying[:running]
				}
			}
			for i, w := range weights {
				if want := calls * w / total; seen[i] < want*8/10 || seen[i] > want*12/10+50 {
					t.Errorf("%s, %v: endpoint %d was chosen %d times of %d, want about %d", p, weights, i, seen[i], calls, want)
				}
			}
		}
	}
}

// Whatever happened to the endpoints, a pick is of the best rank.
func TestPickIsNeverOfAWorseRank(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for p := balance.PeakEWMA; p <= balance.Maglev; p++ {
		for range 40 {
			list := members(1 + r.IntN(40))
			s, now := set(balance.Config{Policy: p}, list), start
			for range 300 {
				now = now.Add(time.Duration(r.IntN(20)) * time.Millisecond)
				c := balance.Call{Turn: r.Uint64(), Hash: r.Uint64()}
				for range r.IntN(3) {
					c.Tried = append(c.Tried, list[r.IntN(len(list))])
				}
				got := list[s.All().Pick(now, c)]
				for _, e := range list {
					if rank(e, now, c) < rank(got, now, c) {
						t.Fatalf("%s: an endpoint of rank %d was chosen although one of %d was there", p, rank(got, now, c), rank(e, now, c))
					}
				}
				answer(list[r.IntN(len(list))], now, time.Duration(r.IntN(1e8)), balance.Outcome(r.IntN(5)))
			}
		}
	}
}

func rank(e *balance.Endpoint, now time.Time, c balance.Call) int {
	n := 0
	for _, t := range c.Tried {
		if t == e {
			n = 4
		}
	}
	if e.Ejected(now) {
		n += 2
	}
	if e.Suspect(now) {
		n++
	}
	return n
}
