//go:build !race

package stormtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/musterdev/muster/call/admission"
	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/call/resilience/stormtest"
)

// short is a storm of the usual kind with less of the calm around it.
func short(seed uint64) stormtest.Storm {
	return stormtest.Storm{
		Seed: seed, Policy: stormtest.Defaults(), Mix: stormtest.Mix{0.05, 0.15, 0.6, 0.2},
		Warm: 3 * time.Second, After: 5 * time.Second,
	}
}

func survived(t *testing.T, r stormtest.Result) {
	t.Helper()
	t.Logf("trigger %.3f, later %.4f, recovered after %s, by priority %.4f, attempts %.2f", r.Trigger, r.Later, r.Recovered, r.Priority, r.Attempts)
	if r.Before < 0.9999 {
		t.Errorf("before the trigger %.4f were answered", r.Before)
	}
	if r.Trigger < 0.9 {
		t.Errorf("goodput in the trigger is %.3f of what was possible", r.Trigger)
	}
	if r.Later < 0.99 || r.Recovered < 0 || r.Recovered > 2*time.Second {
		t.Errorf("%.4f were answered from 2 s after it; recovered after %s", r.Later, r.Recovered)
	}
	if r.Priority[resilience.Critical] < 0.999 {
		t.Errorf("%.4f of the critical calls were answered", r.Priority[resilience.Critical])
	}
	for hop, n := range r.Attempts {
		if n > 1.15 {
			t.Errorf("hop %d: %.2f attempts a call", hop, n)
		}
	}
	if r.Expired > 0 {
		t.Errorf("%d times work began after its deadline", r.Expired)
	}
}

// What a 10 s brown-out of the last server does to a fleet with the defaults.
func TestDefaultsSurvive(t *testing.T) {
	for _, hops := range []int{1, 3} {
		for _, random := range []bool{false, true} {
			for seed := range uint64(5) {
				t.Run(fmt.Sprintf("%d hops, random work %v, seed %d", hops, random, seed), func(t *testing.T) {
					s := short(seed)
					s.Hops, s.Random = hops, random
					survived(t, stormtest.Run(s))
				})
			}
		}
	}
}

// The important calls come through while three times as much is asked for as can be done.
func TestCriticalThroughASurge(t *testing.T) {
	for seed := range uint64(5) {
		s := short(seed)
		s.Speed, s.Surge, s.Trigger = 1, 3/0.7, 5*time.Second
		survived(t, stormtest.Run(s))
	}
}

// A server that was busy before is asked for three times what it can do from one moment to the
// next, and the important calls alone are three quarters of that. They come through: on
// the way down to a lower limit half of what ends is let in, so they wait, but long enough.
func TestCriticalThroughASpikeFromWarm(t *testing.T) {
	for workers, seeds := range map[int]uint64{4: 5, 40: 1} {
		for seed := range seeds {
			for _, random := range []bool{false, true} {
				s := short(seed)
				s.Workers, s.Random, s.Mix, s.Timeout = workers, random, stormtest.Mix{0.25, 0.25, 0.25, 0.25}, time.Second
				s.Speed, s.Offered, s.Surge, s.Trigger = 1, 0.6, 2.9/0.6, 6*time.Second
				survived(t, stormtest.Run(s))
			}
		}
	}
}

// Where the important calls alone are more than can be done, they are not carried out too
// late instead.
func TestCriticalAloneIsTooMuch(t *testing.T) {
	for seed := range uint64(5) {
		s := short(seed)
		s.Workers, s.Random, s.Mix = 8, true, stormtest.Mix{1}
		s.Speed, s.Offered, s.Surge, s.Trigger = 1, 0.6, 2.9/0.6, 6*time.Second
		r := stormtest.Run(s)
		if r.Before < 0.9999 || r.Trigger < 0.95 || r.Later < 0.999 || r.Expired > 20 {
			t.Errorf("seed %d: %.4f before, goodput %.3f in it, %.4f after, %d begun too late", seed, r.Before, r.Trigger, r.Later, r.Expired)
		}
	}
}

// A library that repeats whatever failed is held back by the budget, and the servers hold.
func TestBudgetHoldsCarelessCallers(t *testing.T) {
	for seed := range uint64(5) {
		s := short(seed)
		s.Hops = 3
		s.Policy = stormtest.Textbook()
		s.Policy.Gate, s.Policy.Deadline, s.Policy.Budget = true, true, true
		r := stormtest.Run(s)
		for hop, n := range r.Attempts {
			if n > 1.15 {
				t.Errorf("seed %d, hop %d: %.2f attempts a call", seed, hop, n)
			}
		}
		if r.Trigger < 0.9 || r.Later < 0.99 {
			t.Errorf("seed %d: %.3f in the trigger, %.4f after it", seed, r.Trigger, r.Later)
		}
	}
}

// What everybody does: it makes an outage of a brown-out, that stays when its cause is gone.
func TestTextbookNeverRecovers(t *testing.T) {
	for _, hops := range []int{1, 3} {
		s := stormtest.Storm{Policy: stormtest.Textbook(), Hops: hops, Warm: 3 * time.Second, After: 15 * time.Second}
		r := stormtest.Run(s)
		t.Logf("%d hops: trigger %.3f, later %.4f, attempts %.2f, %d expired", hops, r.Trigger, r.Later, r.Attempts, r.Expired)
		if r.Before < 0.9999 || r.Later > 0.05 || r.Recovered >= 0 {
			t.Errorf("%d hops: it recovered after %s (%.4f): the simulation shows nothing", hops, r.Recovered, r.Later)
		}
	}
}

// A server whose calls wait for something else has room for all of them: nobody is turned
// away, however many come and however slow it becomes.
func TestNobodyIsTurnedAwayWithoutNeed(t *testing.T) {
	waits := stormtest.Storm{
		Policy: stormtest.Defaults(), Workers: 10000, Service: 200 * time.Millisecond, Timeout: 2 * time.Second,
		Warm: 3 * time.Second, Trigger: 3 * time.Second, After: 4 * time.Second,
		Offered: 0.0025, Speed: 1, // 25 in flight
	}
	for name, change := range map[string]func(*stormtest.Storm){
		"5 in flight":      func(s *stormtest.Storm) { s.Offered /= 5 },
		"100 in flight":    func(s *stormtest.Storm) { s.Surge = 4 },
		"500 in flight":    func(s *stormtest.Storm) { s.Surge = 20 },
		"random work":      func(s *stormtest.Storm) { s.Surge, s.Random = 20, true },
		"slower, 5 times":  func(s *stormtest.Storm) { s.Speed = 0.2 },
		"slower, 20 times": func(s *stormtest.Storm) { s.Service, s.Offered, s.Speed = 10*time.Millisecond, 0.0002, 0.05 },
		"slower, 50 times": func(s *stormtest.Storm) { s.Service, s.Offered, s.Speed = 10*time.Millisecond, 0.001, 0.02 },
		"slower for good": func(s *stormtest.Storm) {
			s.Service, s.Offered, s.Speed, s.Trigger = 10*time.Millisecond, 0.001, 0.1, 20*time.Second
		},
		"slower, 5 times, random": func(s *stormtest.Storm) {
			s.Service, s.Offered, s.Speed, s.Random = 10*time.Millisecond, 0.001, 0.2, true
		},
		"three hops": func(s *stormtest.Storm) { s.Hops, s.Surge = 3, 10 },
		"nearly all that can be done, at once": func(s *stormtest.Storm) {
			s.Workers, s.Service, s.Offered, s.Surge = 40, 10*time.Millisecond, 0.3, 3
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := waits
			for s.Seed = range uint64(3) {
				change(&s)
				r := stormtest.Run(s)
				for hop, g := range r.Gates {
					if g.Shed != [resilience.Priorities][admission.ShedReasons]uint64{} {
						t.Errorf("seed %d, hop %d: %+v", s.Seed, hop, g)
					}
				}
				if r.Before < 1 || r.Later < 1 {
					t.Errorf("seed %d: %.4f and %.4f were answered", s.Seed, r.Before, r.Later)
				}
				s = waits
			}
		})
	}
}

// When work that takes now this and now that becomes twenty times slower from one moment to the
// next, it looks like a queue for a while. Few may be turned away, and soon none.
func TestTheErrorIsSmallAndShort(t *testing.T) {
	for seed := range uint64(5) {
		r := stormtest.Run(stormtest.Storm{
			Seed: seed, Policy: stormtest.Defaults(), Workers: 10000, Random: true, Timeout: 5 * time.Second, Offered: 0.001, Speed: 0.05,
			Warm: 3 * time.Second, Trigger: 10 * time.Second, After: 4 * time.Second,
		})
		tail := r.Series[5:13]
		for i, second := range tail {
			if second.OK < second.Calls {
				t.Errorf("seed %d: %d of %d were turned away %d s after the change", seed, second.Calls-second.OK, second.Calls, 2+i)
			}
		}
		if first := r.Series[3]; first.OK < first.Calls/2 {
			t.Errorf("seed %d: %d of %d were answered in the first second", seed, first.OK, first.Calls)
		}
	}
}

// ExampleRun compares what the textbook says with what a gate does.
func ExampleRun() {
	storm := stormtest.Storm{Policy: stormtest.Textbook(), After: 10 * time.Second}
	fmt.Println("textbook recovers:", stormtest.Run(storm).Recovered >= 0)
	storm.Policy = stormtest.Defaults()
	r := stormtest.Run(storm)
	fmt.Println("defaults recover:", r.Recovered >= 0 && r.Recovered <= 2*time.Second)
	fmt.Printf("of what could be done in the trigger, at least 90 %% was: %v\n", r.Trigger >= 0.9)
	// Output:
	// textbook recovers: false
	// defaults recover: true
	// of what could be done in the trigger, at least 90 % was: true
}
