package balance_test

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

// A newcomer is taken to be as fast as the others, and grows to its full share.
func TestNewcomer(t *testing.T) {
	list := members(4)
	s := set(balance.Config{}, list[:3])
	now := start.Add(time.Hour)
	for range 10 {
		for _, e := range list[:3] {
			answer(e, now, 20*time.Millisecond, balance.OK)
		}
	}
	s.All().Pick(now, balance.Call{})
	s.Replace(now, list)
	if got := list[3].Latency(now); got < 15*time.Millisecond || got > 25*time.Millisecond {
		t.Errorf("a newcomer is taken to answer in %s, the others do in 20ms", got)
	}
	share := func(now time.Time) int {
		n := 0
		for turn := range uint64(1000) {
			if s.All().Pick(now, balance.Call{Turn: turn}) == 3 {
				n++
			}
		}
		return n
	}
	for _, test := range []struct {
		age time.Duration
		min int
		max int
	}{{0, 20, 50}, {15 * time.Second, 120, 165}, {30 * time.Second, 240, 260}} {
		if n := share(now.Add(test.age)); n < test.min || n > test.max {
			t.Errorf("%s old it got %d calls of 1000, want %d to %d", test.age, n, test.min, test.max)
		}
	}
	fresh := members(2)
	s = set(balance.Config{}, fresh[:1])
	s.Replace(start.Add(100*time.Millisecond), fresh)
	n := 0
	for turn := range uint64(1000) {
		n += s.All().Pick(start.Add(200*time.Millisecond), balance.Call{Turn: turn})
	}
	if n < 450 || n > 550 {
		t.Errorf("where all are new, one of two got %d calls of 1000", n)
	}
}

func TestPickDoesNotAllocate(t *testing.T) {
	for p := balance.PeakEWMA; p <= balance.Maglev; p++ {
		list := members(32)
		s, turn := set(balance.Config{Policy: p}, list), uint64(0)
		tried := list[:2]
		if n := testing.AllocsPerRun(100, func() {
			turn++
			i := s.All().Pick(start, balance.Call{Turn: turn, Tried: tried})
			answer(list[i], start, time.Millisecond, balance.OK)
		}); n != 0 {
			t.Errorf("%s: %g allocations a pick", p, n)
		}
	}
}

// Everything may be done at once; -race watches, and no call is lost from the count.
func TestConcurrentUse(t *testing.T) {
	for p := balance.PeakEWMA; p <= balance.Maglev; p++ {
		list := members(8)
		for i, e := range list {
			e.Describe(100, string(rune('a'+i%2)))
		}
		s := set(balance.Config{Policy: p, Zone: "a"}, list)
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(g), 1))
				for turn := range uint64(500) {
					now := start.Add(time.Duration(turn) * 10 * time.Millisecond)
					e := list[s.All().Pick(now, balance.Call{Turn: turn})]
					answer(e, now, time.Duration(r.IntN(1e7)), balance.Outcome(r.IntN(5)))
					if r.IntN(50) == 0 {
						s.Replace(now, list)
						s.Ejected(now)
						e.Describe(r.IntN(200), "b")
						e.Probed(now, true)
					}
				}
			})
		}
		wg.Wait()
		for i, e := range list {
			if e.InFlight() != 0 {
				t.Errorf("%s: endpoint %d has %d calls in flight after all have ended", p, i, e.InFlight())
			}
		}
	}
}
