package resilience_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
	"github.com/musterdev/muster/problem"
)

// call makes one call of a given length; it reports whether it was let through.
func call(b *resilience.Breaker, now time.Time, took time.Duration, failed bool) bool {
	p, err := b.Allow(now)
	if err != nil {
		return false
	}
	p.Done(now.Add(took), failed)
	return true
}

func stateIs(t *testing.T, b *resilience.Breaker, now time.Time, want resilience.BreakerState) {
	t.Helper()
	if got := b.Stats(now).State; got != want {
		t.Fatalf("the breaker is %s, want %s", got, want)
	}
}

func TestABreakerOpensAndCloses(t *testing.T) {
	var b resilience.Breaker
	now := epoch
	for i := range 19 { // below the minimum, all may fail
		if !call(&b, now, 0, true) {
			t.Fatalf("call %d was refused", i+1)
		}
	}
	stateIs(t, &b, now, resilience.Closed)
	call(&b, now, 0, false) // the twentieth, 19 of 20 failed
	stateIs(t, &b, now, resilience.Open)
	_, err := b.Allow(now.Add(4999 * time.Millisecond))
	if !errors.Is(err, resilience.ErrOpen) || problem.CodeOf(err) != problem.Unavailable {
		t.Fatalf("an open breaker returned %v, want ErrOpen, unavailable", err)
	}
	if s := b.Stats(now.Add(time.Second)); s.Left != 4*time.Second || s.Calls != 20 || s.Failed != 19 || s.Refused != 1 || s.Opened != 1 {
		t.Errorf("stats %+v", s)
	}

	now = now.Add(5 * time.Second)
	call(&b, now, 0, false)
	call(&b, now, 0, false)
	stateIs(t, &b, now, resilience.HalfOpen)
	call(&b, now, 0, true) // the third probe fails
	stateIs(t, &b, now, resilience.Open)

	now = now.Add(5 * time.Second)
	for range 3 {
		call(&b, now, 0, false)
	}
	stateIs(t, &b, now, resilience.Closed)
	if s := b.Stats(now); s.Calls != 0 {
		t.Errorf("a breaker that closed remembers %d calls of before", s.Calls)
	}
}

func TestProbesAreFew(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 1, Probes: 2})
	call(b, epoch, 0, true)
	now := epoch.Add(5 * time.Second)
	first, err1 := b.Allow(now)
	second, err2 := b.Allow(now)
	if _, err := b.Allow(now); err1 != nil || err2 != nil || err == nil {
		t.Fatalf("two probes: %v, %v; a third: %v", err1, err2, err)
	}
	first.Ignore() // shed: it says nothing, and another may try
	third, err := b.Allow(now)
	if err != nil {
		t.Fatal("the place of a probe that said nothing is not given on")
	}
	second.Done(now, false)
	if _, err := b.Allow(now); err == nil {
		t.Fatal("more succeeded and are under way than are asked for, and one more was let through")
	}
	third.Done(now, false)
	stateIs(t, b, now, resilience.Closed)
}

func TestProbesThatNeverReturnAreReplaced(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 1, Probes: 1})
	call(b, epoch, 0, true)
	lost, err := b.Allow(epoch.Add(5 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Allow(epoch.Add(9 * time.Second)); err == nil {
		t.Fatal("a second probe beside the first")
	}
	if !call(b, epoch.Add(10*time.Second), 0, false) {
		t.Fatal("a probe that never ended shut the target out for good")
	}
	stateIs(t, b, epoch.Add(10*time.Second), resilience.Closed)
	lost.Done(epoch.Add(11*time.Second), true) // its word is old
	if s := b.Stats(epoch.Add(11 * time.Second)); s.Calls != 0 {
		t.Errorf("the word of an older era was counted: %+v", s)
	}
}

func TestSlowCallsOpen(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 10, SlowCalls: 0.8, SlowAfter: 100 * time.Millisecond})
	for i := range 10 {
		took := 100 * time.Millisecond
		if i < 2 {
			took--
		}
		stateIs(t, b, epoch, resilience.Closed)
		call(b, epoch, took, false)
	}
	stateIs(t, b, epoch, resilience.Open)
}

func TestASlowProbeIsNoGoodOne(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 1, SlowCalls: 0.5, Probes: 1})
	call(b, epoch, 0, true)
	call(b, epoch.Add(5*time.Second), time.Second, false)
	stateIs(t, b, epoch.Add(5*time.Second), resilience.Open)
}

func TestABreakerThatClosedBeginsAfresh(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 4, Open: time.Millisecond, Probes: 1})
	for range 4 {
		call(b, epoch, 0, true)
	}
	now := epoch.Add(time.Millisecond)
	call(b, now, 0, false)
	for range 3 { // with what opened it they would be enough
		call(b, now, 0, true)
		stateIs(t, b, now, resilience.Closed)
	}
}

func TestFailuresAreForgotten(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{Window: time.Second, MinCalls: 4})
	for i := range 100 {
		call(b, epoch.Add(time.Duration(i)*400*time.Millisecond), 0, true) // three within any second
	}
	stateIs(t, b, epoch.Add(40*time.Second), resilience.Closed)
	now := epoch.Add(time.Minute)
	for range 4 {
		call(b, now, 0, false)
	}
	if s := b.Stats(now); s.State != resilience.Closed || s.Calls != 4 || s.Failed != 0 {
		t.Errorf("four good calls after a long time: %+v", s)
	}
}

func TestForceGoesThroughAndCounts(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 1, FailOpen: true})
	call(b, epoch, 0, true)
	for range 5 {
		if _, err := b.Allow(epoch); err == nil {
			t.Fatal("an open breaker let a call through")
		}
		b.Force(epoch).Done(epoch, true)
		stateIs(t, b, epoch, resilience.Open)
	}
	for range 3 {
		b.Force(epoch).Done(epoch, false)
	}
	stateIs(t, b, epoch, resilience.Closed) // before its time was up: it was tried, and is back
}

func TestSettingsOfABreakerChangeWhileItWorks(t *testing.T) {
	b := resilience.NewBreaker(resilience.BreakerSettings{MinCalls: 100})
	for range 50 {
		call(b, epoch, 0, true)
	}
	b.Set(resilience.BreakerSettings{MinCalls: 10})
	call(b, epoch, 0, true)
	stateIs(t, b, epoch, resilience.Open) // what was counted stays
	b.Set(resilience.BreakerSettings{MinCalls: 10, Open: time.Millisecond})
	if !call(b, epoch.Add(time.Millisecond), 0, false) {
		t.Error("the shorter time does not count")
	}
}

// A breaker never opens on fewer calls than its minimum, never refuses while closed,
// always comes back when the target does, and its counts are never beyond its window.
func TestABreakerAlwaysComesBack(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 9))
		s := resilience.BreakerSettings{
			Window: time.Duration(1+r.IntN(20)) * time.Second, MinCalls: 1 + r.IntN(30),
			Failures: resilience.Share(0.1 + 0.9*r.Float64()), Open: time.Duration(1+r.IntN(5000)) * time.Millisecond, Probes: 1 + r.IntN(5),
		}
		b, now := resilience.NewBreaker(s), epoch
		var open []resilience.Permit
		for range 2000 {
			now = now.Add(time.Duration(r.IntN(100)) * time.Millisecond)
			before := b.Stats(now)
			p, err := b.Allow(now)
			if err != nil && before.State == resilience.Closed {
				t.Fatalf("seed %d: refused while closed", seed)
			}
			if err == nil {
				open = append(open, p)
			}
			for len(open) > 0 && r.IntN(4) > 0 {
				i := r.IntN(len(open))
				before := b.Stats(now)
				if r.IntN(5) == 0 {
					open[i].Ignore()
				} else {
					open[i].Done(now, r.Float64() < 0.5)
				}
				open = append(open[:i], open[i+1:]...)
				if after := b.Stats(now); before.State == resilience.Closed && after.State == resilience.Open && int(after.Calls) < s.MinCalls {
					t.Fatalf("seed %d: opened on %d calls, the minimum is %d", seed, after.Calls, s.MinCalls)
				}
			}
		}
		for n := 0; b.Stats(now).State != resilience.Closed; n++ {
			if n > 50 {
				t.Fatalf("seed %d: still %s after 50 good calls", seed, b.Stats(now).State)
			}
			now = now.Add(s.Open)
			call(b, now, 0, false)
		}
	}
}

func TestABreakerIsSafeForManyAtOnce(t *testing.T) {
	var b resilience.Breaker
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 500 {
				now := epoch.Add(time.Duration(j) * 10 * time.Millisecond)
				call(&b, now, time.Duration(i), (i+j)%3 == 0)
				b.Stats(now)
			}
		})
	}
	all.Wait()
}
