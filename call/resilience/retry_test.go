package resilience_test

import (
	"testing"
	"time"

	"github.com/musterdev/muster/call/resilience"
)

func TestAgain(t *testing.T) {
	sent := resilience.Failure{Sent: true}
	unsent := resilience.Failure{}
	for name, test := range map[string]struct {
		n          int
		idempotent bool
		f          resilience.Failure
		want       bool
	}{
		"nothing sent":                   {1, false, unsent, true},
		"sent, not idempotent":           {1, false, sent, false},
		"sent, idempotent":               {1, true, sent, true},
		"last attempt":                   {3, true, unsent, false},
		"the peer answered":              {1, true, resilience.Failure{Sent: true, Answered: true}, false},
		"no instance could answer it":    {1, true, resilience.Failure{Final: true}, false},
		"the caller's time is up":        {1, true, resilience.Failure{Timeout: true}, false},
		"second attempt, nothing sent":   {2, false, unsent, true},
		"second attempt, not idempotent": {2, false, sent, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := (resilience.Retry{}).Again(test.n, test.idempotent, test.f); got != test.want {
				t.Errorf("Again = %v, want %v", got, test.want)
			}
		})
	}
}

func TestPauseIsBounded(t *testing.T) {
	r := resilience.Retry{Attempts: 9, Backoff: 10 * time.Millisecond}
	for n := 1; n < 20; n++ {
		bound := 10 * time.Millisecond << min(n-1, 4)
		for range 200 {
			if p := r.Pause(n); p < 0 || p >= bound {
				t.Fatalf("Pause(%d) = %s, want 0 <= p < %s", n, p, bound)
			}
		}
	}
	if p := (resilience.Retry{Attempts: 2, Backoff: -1}).Pause(1); p != 0 {
		t.Errorf("no backoff: Pause = %s, want 0", p)
	}
	longest := time.Duration(0)
	for range 200 {
		longest = max(longest, resilience.Retry{Attempts: 5}.Pause(1))
	}
	if longest < resilience.DefaultRetry.Backoff/2 || longest >= resilience.DefaultRetry.Backoff {
		t.Errorf("only attempts are set: the longest of 200 pauses is %s, want the default's", longest)
	}
}

func TestWhyAnAttemptIsNotRepeated(t *testing.T) {
	none := resilience.NewBudget(resilience.BudgetSettings{Floor: -1})
	var some resilience.Budget
	for name, test := range map[string]struct {
		retry      resilience.Retry
		n          int
		idempotent bool
		f          resilience.Failure
		budget     *resilience.Budget
		want       resilience.Verdict
	}{
		"repeated":            {n: 1, budget: &some, want: resilience.Repeat},
		"no bound":            {n: 1, want: resilience.Repeat},
		"no budget left":      {n: 1, budget: none, want: resilience.OverBudget},
		"too often":           {n: 3, idempotent: true, want: resilience.Enough},
		"not at all":          {retry: resilience.Retry{Attempts: 1}, n: 1, want: resilience.Enough},
		"only a pause is set": {retry: resilience.Retry{Backoff: time.Second}, n: 2, want: resilience.Repeat},
		"shed":                {n: 1, idempotent: true, f: resilience.Failure{Shed: true}, want: resilience.Pointless},
		"answered":            {n: 1, idempotent: true, f: resilience.Failure{Answered: true}, want: resilience.Pointless},
		"late":                {n: 1, idempotent: true, f: resilience.Failure{Timeout: true}, want: resilience.TooLate},
		"unsafe":              {n: 1, f: resilience.Failure{Sent: true}, want: resilience.Unsafe},
	} {
		if got := test.retry.Judge(epoch, test.n, test.idempotent, test.f, test.budget); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if s := some.Stats(epoch); s.Spent != 1 {
		t.Errorf("one repetition took %d from the budget", s.Spent)
	}
}
