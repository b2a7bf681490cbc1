package history_test

import (
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/musterdev/muster/proof/history"
)

// said is an operation and its answer; those of a table come one after the other.
type said struct{ in, out any }

// What is not right is noticed, whatever the engines do.
func TestTheModels(t *testing.T) {
	take, check := func(n int64) said { return said{history.Take{Name: "a"}, n} }, func(n int64, ok bool) said { return said{history.Check{Name: "a", Fence: n}, ok} }
	let, look := said{history.Let{Name: "a"}, true}, func(n int64) said { return said{history.Look{Name: "a"}, n} }
	once := func(own string, out any) said { return said{history.Once{Key: "k", Print: "p", Own: own}, out} }
	other := func(out any) said { return said{history.Once{Key: "k", Print: "q", Own: "x"}, out} }
	claim, finish := func(out any) said { return said{history.Claim{Key: "k", Print: "p"}, out} }, func(n int64, own string, out any) said {
		return said{history.Finish{Key: "k", Fence: n, Own: own}, out}
	}
	lapse := said{history.Lapse{Key: "k"}, history.Finished}
	leases, keys := history.Leases(time.Minute), history.Keys(time.Minute)
	tests := []struct {
		name  string
		model porcupine.Model
		ops   []said
		right bool
	}{
		{"a holder after the other", leases, []said{take(1), check(1, true), let, take(2), check(1, false), check(2, true), look(2)}, true},
		{"two holders", leases, []said{take(1), take(2)}, false},
		{"a fence twice", leases, []said{take(1), let, take(1)}, false},
		{"a stale holder writes", leases, []said{take(1), let, take(2), check(1, true)}, false},
		{"the holder is refused", leases, []said{take(1), check(1, false)}, false},
		{"what was written is lost", leases, []said{take(1), check(1, true), look(0)}, false},
		{"a check that nobody knows of", leases, []said{take(1), {history.Check{Name: "a", Fence: 1}, nil}, look(1), look(1)}, true},
		{"other names have other holders", leases, []said{take(1), {history.Take{Name: "b"}, int64(1)}}, true},

		{"the first answer for ever", keys, []said{once("a", history.Answer("a")), once("b", history.Answer("a")), claim(history.Answer("a"))}, true},
		{"a second effect", keys, []said{once("a", history.Answer("a")), once("b", history.Answer("b"))}, false},
		{"nobody's answer", keys, []said{once("a", history.Answer("z"))}, false},
		{"another request", keys, []said{once("a", history.Answer("a")), other(history.Mismatch)}, true},
		{"another request is answered", keys, []said{once("a", history.Answer("a")), other(history.Answer("a"))}, false},
		{"in flight", keys, []said{claim(int64(1)), once("b", history.InFlight), finish(1, "a", history.Finished), once("b", history.Answer("a"))}, true},
		{"in flight and yet carried out", keys, []said{claim(int64(1)), once("b", history.Answer("b"))}, false},
		{"in flight by nobody", keys, []said{once("a", history.InFlight)}, false},
		{"taken over", keys, []said{claim(int64(1)), lapse, claim(int64(2)), finish(1, "a", history.Fenced), finish(2, "b", history.Finished)}, true},
		{"who was taken over finishes", keys, []said{claim(int64(1)), lapse, claim(int64(2)), finish(1, "a", history.Finished)}, false},
		{"the holder is fenced", keys, []said{claim(int64(1)), finish(1, "a", history.Fenced)}, false},
		{"a failure leaves nothing", keys, []said{once("a", history.Failed), once("b", history.Answer("b"))}, true},
		{"an answer that nobody knows of", keys, []said{once("a", nil), once("b", history.Answer("a"))}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log history.Log
			for i, op := range tt.ops {
				log.Do(i, op.in, func() any { return op.out })
			}
			if got := porcupine.CheckOperations(tt.model, log.Operations()); got != tt.right {
				t.Errorf("right: %t, want %t", got, tt.right)
			}
		})
	}
}
