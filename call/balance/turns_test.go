package balance

import (
	"testing"
	"time"
)

// Answers come in while a pick is made: the rank it found may be nobody's any more.
func TestTurnsOfNobody(t *testing.T) {
	now := time.Now()
	s := New(Config{SlowStart: -1})
	a, b := NewEndpoint("a"), NewEndpoint("b")
	s.Replace(now, []*Endpoint{a, b})
	g, c := s.All(), Call{Turn: 1}
	if got := s.turns(g.list, s.prices(now.UnixNano()), &c, turn{first: 0, best: 1, rank: well + 1, heaviest: 1, quiet: true}); got != 1 {
		t.Errorf("picked %d, want what the scan found", got)
	}
	a.Observe(now, 0, Unreachable)
	for turn := range uint64(10) {
		if got := g.Pick(now, Call{Turn: turn}); got != 1 {
			t.Fatalf("pick %d is of the endpoint that cannot be reached", turn)
		}
	}
}
