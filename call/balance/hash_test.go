package balance_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

const keys = 6000

// places returns where each key goes.
func places(s *balance.Set, list []*balance.Endpoint) []*balance.Endpoint {
	out := make([]*balance.Endpoint, keys)
	for k := range out {
		out[k] = list[s.All().Pick(start, balance.Call{Turn: uint64(k) * 7, Hash: balance.Key(fmt.Sprint("key", k))})]
	}
	return out
}

// When an endpoint leaves, its own keys move, and hardly any other; when it is back,
// all keys are where they were.
func TestLittleMoves(t *testing.T) {
	for p, slack := range map[balance.Policy]float64{balance.Hash: 0, balance.Maglev: 0.05} {
		for _, n := range []int{2, 3, 10, 40} {
			list := members(n)
			s := set(balance.Config{Policy: p}, list)
			before := places(s, list)
			gone := list[n/2]
			fewer := append(append([]*balance.Endpoint{}, list[:n/2]...), list[n/2+1:]...)
			s.Replace(start, fewer)
			moved := 0
			for k, e := range places(s, fewer) {
				if e != before[k] && before[k] != gone {
					moved++
				}
			}
			if share := float64(moved) / keys; share > slack {
				t.Errorf("%s: when one of %d left, %.3f of the keys of others moved, want at most %g", p, n, share, slack)
			}
			s.Replace(start, list)
			for k, e := range places(s, list) {
				if e != before[k] {
					t.Fatalf("%s, n=%d: a key is elsewhere after all are back", p, n)
				}
			}
		}
	}
}

func TestHashIsEven(t *testing.T) {
	for _, p := range []balance.Policy{balance.Hash, balance.Maglev} {
		for name, weights := range map[string][]int{"equal": {100, 100, 100, 100, 100}, "unequal": {100, 50, 200, 10}} {
			list, total := members(len(weights)), 0
			for i, w := range weights {
				list[i].Describe(w, "")
				total += w
			}
			seen := map[*balance.Endpoint]int{}
			for _, e := range places(set(balance.Config{Policy: p}, list), list) {
				seen[e]++
			}
			for i, w := range weights {
				want := float64(keys*w) / float64(total)
				if d := math.Abs(float64(seen[list[i]]) - want); d > 5*math.Sqrt(want)+0.01*want {
					t.Errorf("%s, %s: endpoint %d of weight %d has %d keys of %d, want %.0f", p, name, i, w, seen[list[i]], keys, want)
				}
			}
		}
	}
}

// No endpoint carries more than 1.25 times its share, although all calls have one key;
// and the key is where it was as soon as there is room.
func TestBoundedLoad(t *testing.T) {
	list := members(10)
	s := set(balance.Config{Policy: balance.Hash}, list)
	call := balance.Call{Hash: 42}
	home := s.All().Pick(start, call)
	for n := range 400 {
		list[s.All().Pick(start, call)].Begin()
		for i, e := range list {
			if bound := int64(math.Ceil(1.25 * float64(n+1) / 10)); e.InFlight() > bound {
				t.Fatalf("endpoint %d carries %d of %d calls, want at most %d", i, e.InFlight(), n+1, bound)
			}
		}
	}
	list[home].Release()
	list[home].Release()
	if got := s.All().Pick(start, call); got != home {
		t.Errorf("with room at %d the key went to %d", home, got)
	}
}

// Keys of an ejected endpoint spread over the others, and come back with it.
func TestHashGoesRoundTheEjected(t *testing.T) {
	for _, p := range []balance.Policy{balance.Hash, balance.Maglev} {
		list := members(10)
		s := set(balance.Config{Policy: p}, list)
		before := places(s, list)
		fail(list[3], start, 5)
		seen := map[*balance.Endpoint]int{}
		for k, e := range places(s, list) {
			if before[k] == list[3] {
				seen[e]++
			} else if e != before[k] {
				t.Fatalf("%s: a key of an endpoint that is well moved", p)
			}
		}
		if seen[list[3]] != 0 || len(seen) != 9 {
			t.Errorf("%s: the keys of the ejected went to %d endpoints, %d to itself; want 9 and 0", p, len(seen), seen[list[3]])
		}
		now := start.Add(time.Minute)
		for k, want := range before {
			c := balance.Call{Hash: balance.Key(fmt.Sprint("key", k))}
			if list[s.All().Pick(now, c)] != want {
				t.Fatalf("%s: a key did not come back", p)
			}
		}
	}
}

// Above 64 endpoints a caller keeps 64, callers keep different ones, and each endpoint
// has about as many callers as any other.
func TestSubset(t *testing.T) {
	const n, callers = 300, 200
	list := members(n)
	index := map[*balance.Endpoint]int{}
	for i, e := range list {
		index[e] = i
	}
	used := func(caller string, list []*balance.Endpoint) map[*balance.Endpoint]bool {
		s, used := set(balance.Config{Caller: caller}, list), map[*balance.Endpoint]bool{}
		for turn := range uint64(3 * n) {
			used[list[s.All().Pick(start, balance.Call{Turn: turn})]] = true
		}
		return used
	}
	load := make([]int, n)
	for c := range callers {
		mine := used(fmt.Sprintf("caller-%d", c), list)
		if len(mine) != 64 {
			t.Fatalf("a caller uses %d of %d endpoints, want 64", len(mine), n)
		}
		for e := range mine {
			load[index[e]]++
		}
	}
	mean := float64(callers*64) / n
	for i, l := range load {
		if d := math.Abs(float64(l) - mean); d > 4.5*math.Sqrt(mean) {
			t.Errorf("endpoint %d has %d callers, the mean is %.0f", i, l, mean)
		}
	}
	before, after := used("me", list), used("me", list[1:])
	moved := 0
	for e := range after {
		if !before[e] {
			moved++
		}
	}
	if moved > 1 {
		t.Errorf("when one left, %d of the subset changed, want at most 1", moved)
	}
	if got := len(used("me", members(64))); got != 64 {
		t.Errorf("of 64 a caller uses %d", got)
	}
	if got := len(used("", list)); got != n {
		t.Errorf("a caller without a name uses %d of %d", got, n)
	}
}
