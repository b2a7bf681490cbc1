package balance_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/balance"
)

func fail(e *balance.Endpoint, now time.Time, times int) {
	for range times {
		answer(e, now, time.Millisecond, balance.Failed)
	}
}

func out(s *balance.Set, now time.Time) int {
	s.All().Pick(now, balance.Call{})
	return len(s.Ejected(now))
}

func TestConsecutiveFailuresEject(t *testing.T) {
	list := members(3)
	s := set(balance.Config{}, list)
	fail(list[0], start, 4)
	answer(list[0], start, time.Millisecond, balance.OK)
	fail(list[0], start, 4)
	if out(s, start) != 0 {
		t.Fatal("ejected after 4 failures in a row")
	}
	fail(list[0], start, 1)
	if out(s, start) != 1 || !list[0].Ejected(start) {
		t.Fatal("not ejected after 5 failures in a row")
	}
	for turn := range uint64(100) {
		if s.All().Pick(start, balance.Call{Turn: turn}) == 0 {
			t.Fatal("an ejected endpoint was chosen while others are there")
		}
	}
}

// An ejected endpoint returns, for longer and longer after each relapse, up to a bound,
// and is forgiven when it has been well for as long.
func TestEjectedReturns(t *testing.T) {
	list := members(3)
	s, now := set(balance.Config{}, list), start
	eject := func() time.Duration {
		t.Helper()
		fail(list[0], now, 5)
		if out(s, now) != 1 {
			t.Fatal("not ejected")
		}
		began := now
		for list[0].Ejected(now) {
			now = now.Add(100 * time.Millisecond)
			s.All().Pick(now, balance.Call{})
		}
		return now.Sub(began).Round(time.Second)
	}
	for n := 1; n <= 40; n++ {
		if got, want := eject(), min(time.Duration(n)*10*time.Second, 5*time.Minute); got != want {
			t.Fatalf("ejection %d lasted %s, want %s", n, got, want)
		}
		hit := false
		for turn := range uint64(10) {
			hit = hit || s.All().Pick(now, balance.Call{Turn: turn}) == 0
		}
		if !hit {
			t.Fatalf("after ejection %d it was not chosen in 10 turns", n)
		}
	}
	for range 3600 * 3 {
		now = now.Add(time.Second)
		answer(list[0], now, time.Millisecond, balance.OK)
		s.All().Pick(now, balance.Call{})
	}
	if got := eject(); got != 10*time.Second {
		t.Errorf("after three good hours an ejection lasted %s, want 10s", got)
	}
}

func TestLowSuccessRateEjects(t *testing.T) {
	for name, test := range map[string]struct {
		n, calls   int
		share, all float64 // failures of the first, of all others
		want       int
	}{
		"an outlier":       {n: 5, calls: 200, share: 0.3, want: 1},
		"too few peers":    {n: 4, calls: 200, share: 0.3},
		"too few calls":    {n: 5, calls: 60, share: 0.3},
		"all alike":        {n: 8, calls: 200, share: 0.3, all: 0.3},
		"hardly different": {n: 8, calls: 1000, share: 0.03},
	} {
		t.Run(name, func(t *testing.T) {
			list := members(test.n)
			s, now := set(balance.Config{}, list), start
			s.All().Pick(now, balance.Call{})
			for k := range test.calls {
				now = now.Add(15 * time.Second / time.Duration(test.calls))
				for i, e := range list {
					share := test.all
					if i == 0 {
						share = test.share
					}
					o := balance.OK
					if every := 1 / max(share, 1e-9); float64(k%100)/every-float64(int(float64(k%100)/every)) < 1/every && share > 0 {
						o = balance.Failed
					}
					answer(e, now, time.Millisecond, o)
				}
				s.All().Pick(now, balance.Call{})
			}
			if got := out(s, now); got != test.want {
				t.Errorf("%d ejected, want %d", got, test.want)
			}
		})
	}
}

// Never more than three in ten are out, one of two or three, whatever happens.
func TestEjectionIsBounded(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		all := members(1 + r.IntN(40))
		list := all
		s, now, most := set(balance.Config{}, list), start, 0
		for range 500 {
			now = now.Add(time.Duration(r.IntN(3000)) * time.Millisecond)
			switch r.IntN(20) {
			case 0: // the set shrinks or grows
				list = all[:1+r.IntN(len(all))]
				s.Replace(now, list)
			case 1:
				all[r.IntN(len(all))].Probed(now, r.IntN(2) == 0)
			default:
				fail(all[r.IntN(len(all))], now, 1+r.IntN(8))
			}
			bound := max(1, len(list)*3/10)
			if len(list) == 1 {
				bound = 0
			}
			n := out(s, now)
			if most = max(most, n); n > bound {
				t.Fatalf("%d of %d are ejected, at most %d may be", n, len(list), bound)
			}
		}
		if most == 0 && len(all) > 1 {
			t.Fatalf("none of %d was ever ejected", len(all))
		}
	}
}

func TestEjectionOff(t *testing.T) {
	list := members(3)
	s := set(balance.Config{Eject: balance.Ejection{Off: true}}, list)
	fail(list[0], start, 50)
	if out(s, start) != 0 {
		t.Error("ejected although that is off")
	}
}

// Who could not be reached is back with the first good probe, however long it would be
// ejected; a failed probe keeps it from the calls.
func TestProbed(t *testing.T) {
	list := members(3)
	s, now := set(balance.Config{}, list), start
	chosen := func() bool {
		for turn := range uint64(100) {
			if s.All().Pick(now, balance.Call{Turn: turn}) == 0 {
				return true
			}
		}
		return false
	}
	if s.Doubt() || list[0].Doubtful(now) {
		t.Error("there is a doubt from the start")
	}
	for range 5 {
		answer(list[0], now, time.Millisecond, balance.Unreachable)
	}
	if out(s, now) != 1 || !s.Doubt() || !list[0].Doubtful(now) || list[1].Doubtful(now) {
		t.Fatal("not ejected, or not in doubt, after 5 calls that did not reach it")
	}
	for range 20 {
		now = now.Add(time.Second)
		list[0].Probed(now, false)
		if chosen() {
			t.Fatalf("a call went to it %s after it was gone, the last probe failed", now.Sub(start))
		}
	}
	if list[0].Ejected(now) || !list[0].Doubtful(now) {
		t.Error("after its ejection is over only the probes keep it away")
	}
	now = now.Add(time.Second)
	list[0].Probed(now, true)
	if list[0].Doubtful(now) || !chosen() {
		t.Error("not back after a good probe")
	}

	for range 5 {
		answer(list[0], now, time.Millisecond, balance.Unreachable)
	}
	if out(s, now) != 1 {
		t.Fatal("not ejected")
	}
	now = now.Add(time.Second)
	list[0].Probed(now, true)
	if out(s, now) != 0 || !chosen() {
		t.Error("ejected still after a good probe")
	}
}

// A probe that goes well says nothing of one that answers badly, and it is not asked before
// its time is nearly over.
func TestProbedDoesNotForgive(t *testing.T) {
	for _, outcome := range []balance.Outcome{balance.Failed, balance.Abandoned} {
		list := members(3)
		s := set(balance.Config{}, list)
		for _, e := range list {
			answer(e, start, 10*time.Millisecond, balance.OK)
		}
		for range 5 {
			answer(list[0], start, time.Second, outcome)
		}
		if out(s, start) != 1 || list[0].Doubtful(start) {
			t.Fatalf("%d: not ejected, or to be probed already", outcome)
		}
		late := start.Add(9 * time.Second)
		if list[0].Probed(late, true); out(s, late) != 1 || !list[0].Doubtful(late) {
			t.Errorf("%d: it is back early, or is not to be probed before its return", outcome)
		}
		list[0].Probed(late, false)
		back := start.Add(10100 * time.Millisecond)
		for turn := range uint64(50) {
			if s.All().Pick(back, balance.Call{Turn: turn}) == 0 {
				t.Fatalf("%d: a call went to it although its probe failed", outcome)
			}
		}
		list[0].Probed(back, true)
		if out(s, back) != 0 || list[0].Suspect(back) {
			t.Errorf("%d: a good probe after its time did not bring it back", outcome)
		}
	}
}

// One that was silent is not taken back early for accepting connections.
func TestProbedWhileSilent(t *testing.T) {
	list := members(3)
	s := set(balance.Config{}, list)
	list[0].Silent(start)
	list[0].Probed(start, true)
	if !list[0].Suspect(start) || !s.Doubt() {
		t.Error("a good probe ended a suspicion of another kind")
	}
	if s.Settle(); s.Doubt() {
		t.Error("it doubts still")
	}
}

// One that does not answer at all is ejected for the calls that give up on it; one whose
// callers are impatient is not.
func TestGivenUp(t *testing.T) {
	for took, want := range map[time.Duration]int{time.Second: 1, time.Millisecond: 0} {
		list := members(3)
		s := set(balance.Config{}, list)
		for _, e := range list {
			answer(e, start, 10*time.Millisecond, balance.OK)
		}
		for range 10 {
			answer(list[0], start, took, balance.Abandoned)
		}
		if got := out(s, start); got != want {
			t.Errorf("given up after %s: %d ejected, want %d", took, got, want)
		}
	}
}
