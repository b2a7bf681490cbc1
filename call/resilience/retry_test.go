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
	if p := (resilience.Retry{Attempts: 2}).Pause(1); p != 0 {
		t.Errorf("no backoff: Pause = %s, want 0", p)
	}
}
