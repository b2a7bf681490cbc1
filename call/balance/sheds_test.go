package balance

import (
	"math/rand/v2"
	"testing"
	"time"
)

// However long and however often endpoints turn calls away, what they are thought to take
// stays within bounds, and is forgotten when they do not any more.
func TestRefusalsDoNotFeedOnThemselves(t *testing.T) {
	for policy, shares := range map[Policy][]float64{PeakEWMA: {1, 0.5, 0.05, 0.01}, LeastLoaded: {1}, Weighted: {0.5}} {
		for _, refused := range shares {
			random := rand.New(rand.NewPCG(1, uint64(refused*100)))
			now := time.Unix(1_700_000_000, 0)
			s := New(Config{Policy: policy, SlowStart: -1})
			members := []*Endpoint{NewEndpoint("a"), NewEndpoint("b"), NewEndpoint("c")}
			s.Replace(now, members)
			for _, m := range members {
				m.Begin() // a long call
			}
			answer := func(refused float64) {
				now = now.Add(2 * time.Millisecond)
				i := s.All().Pick(now, Call{Turn: random.Uint64()})
				if i < 0 {
					t.Fatalf("%s, %g refused: none of three is picked", policy, refused)
				}
				members[i].Begin()
				if random.Float64() < refused {
					members[i].End(now, 100*time.Microsecond, Shed)
				} else {
					members[i].End(now, 10*time.Millisecond, OK)
				}
			}
			answer(0)
			for range 60 * 500 { // a minute
				answer(refused)
			}
			for _, m := range members {
				if got := m.Latency(now); got > 100*time.Millisecond || got <= 0 {
					t.Fatalf("%s, %g refused: %s is thought to take %s", policy, refused, m.Key(), got)
				}
			}
			if got := s.Usual(); got > 11*time.Millisecond {
				t.Errorf("%s, %g refused: %s is usual", policy, refused, got)
			}
			for range 60 * 500 {
				answer(0)
			}
			for _, m := range members {
				if got := m.Latency(now); got < 9*time.Millisecond || got > 11*time.Millisecond {
					t.Errorf("%s, %g refused: a minute later %s is thought to take %s", policy, refused, m.Key(), got)
				}
			}
		}
	}
}

// One that turns calls away is spared, as long as others do not.
func TestWhoRefusesIsSpared(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s := New(Config{SlowStart: -1})
	members := []*Endpoint{NewEndpoint("a"), NewEndpoint("b")}
	s.Replace(now, members)
	calls := [2]int{}
	for turn := range uint64(5000) {
		now = now.Add(time.Millisecond)
		i := s.All().Pick(now, Call{Turn: turn})
		calls[i]++
		for _, m := range members {
			m.Begin() // nobody is idle
		}
		if i == 0 {
			members[0].End(now, 100*time.Microsecond, Shed)
		} else {
			members[1].End(now, 10*time.Millisecond, OK)
		}
		members[1-i].Release()
	}
	if calls[0] > calls[1]/3 {
		t.Errorf("the one that refuses got %d calls, the other %d", calls[0], calls[1])
	}
}
