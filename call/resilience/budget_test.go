package resilience_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

// epoch is any moment: the policies are told the time.
var epoch = time.Date(2026, 1, 2, 3, 4, 5, 678, time.UTC)

func TestAQuietCallerMayRetry(t *testing.T) {
	var b resilience.Budget
	b.Earn(epoch)
	granted := 0
	for range 30 {
		if b.Spend(epoch) {
			granted++
		}
	}
	if granted != 10 {
		t.Errorf("a caller with one call got %d extra attempts at once, want the floor of 10", granted)
	}
	if !b.Spend(epoch.Add(time.Second)) || b.Spend(epoch.Add(time.Second)) {
		t.Error("the floor gains one a second")
	}
	if s := b.Stats(epoch.Add(time.Second)); s.Spent != 11 || s.Denied != 21 {
		t.Errorf("stats %+v, want 11 spent and 21 denied", s)
	}
}

func TestTheShareIsOfTheLastTenSeconds(t *testing.T) {
	b := resilience.NewBudget(resilience.BudgetSettings{Share: 0.2, Floor: -1})
	if b.Spend(epoch) {
		t.Fatal("granted without a call and without a floor")
	}
	for range 100 {
		b.Earn(epoch)
	}
	for i := range 21 {
		if got, want := b.Spend(epoch.Add(time.Second)), i < 20; got != want {
			t.Fatalf("extra attempt %d: %v, want %v", i+1, got, want)
		}
	}
	if b.Spend(epoch.Add(11 * time.Second)) {
		t.Error("granted from calls that are forgotten")
	}
}

// Whatever the traffic and however much is asked for, within any ten seconds the extra
// attempts stay below the share of the calls and the floor; and they are not stingy.
func TestABudgetIsNeverPassed(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 5))
		s := resilience.BudgetSettings{Share: resilience.Share(0.05 + r.Float64()/2), Floor: 1 + r.IntN(10)}
		b := resilience.NewBudget(s)
		type event struct {
			at    time.Time
			extra bool
		}
		var events []event
		var calls, extra float64
		now, oldest := epoch, 0
		for range 20_000 {
			now = now.Add(time.Duration(r.ExpFloat64() * float64(5*time.Millisecond)))
			b.Earn(now)
			events = append(events, event{now, false})
			calls++
			for r.IntN(3) > 0 { // far more is asked for than is there
				if b.Spend(now) {
					events = append(events, event{now, true})
					extra++
				}
			}
			for ; now.Sub(events[oldest].at) > 9*time.Second; oldest++ { // what is surely within the window
				if events[oldest].extra {
					extra--
				} else {
					calls--
				}
			}
			// calls that were in the window when an attempt was granted may have left it: one slice
			if most := float64(s.Share)*calls*10/8 + float64(s.Floor) + 11; extra > most {
				t.Fatalf("seed %d: %.0f extra attempts to %.0f calls, at most %.0f", seed, extra, calls, most)
			}
		}
		if extra < 0.7*float64(s.Share)*calls {
			t.Errorf("seed %d: %.0f to %.0f calls granted, the share is %s", seed, extra, calls, s.Share)
		}
	}
}

func TestANilBudgetHasNoBound(t *testing.T) {
	var b *resilience.Budget
	b.Earn(epoch)
	if !b.Spend(epoch) {
		t.Error("a nil budget denied")
	}
}

func TestTheClockGoingBackDoesNoHarm(t *testing.T) {
	b := resilience.NewBudget(resilience.BudgetSettings{Floor: -1})
	for i := range 100 {
		b.Earn(epoch.Add(-time.Duration(i) * time.Hour))
	}
	if s := b.Stats(epoch); s.Calls != 100 {
		t.Errorf("%d calls are remembered, want 100", s.Calls)
	}
	if s := b.Stats(epoch.Add(1000 * time.Hour)); s.Calls != 0 {
		t.Errorf("%d calls are remembered after a long silence", s.Calls)
	}
}
