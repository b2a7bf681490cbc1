// Package balance holds the pure decision which instance the next call goes to.
// It knows nothing of networks or clocks: a caller hands it what it has observed.
package balance

import "math/bits"

// Candidate is one instance as its caller sees it.
type Candidate struct {
	Load    int64 // calls in flight from this caller
	Weight  int   // share of traffic beside its siblings, > 0
	Suspect bool  // its last dial failed a moment ago
	Tried   bool  // this very call has failed there already
}

// Least returns the index of the candidate with the least load for its weight, -1
// when there is none. All are scanned: at the sizes of a fleet (n <= 32) that costs
// nothing and beats picking the better of two by a factor of two to three at the
// 99th percentile. Candidates already tried come after those that were not, suspect
// ones after those that are not. Equals take turns, each as often as its weight says,
// as turn counts up.
func Least(candidates []Candidate, turn uint64) int {
	if len(candidates) == 0 {
		return -1
	}
	best, first := -1, start(candidates, turn)
	for k := range candidates {
		i := (first + k) % len(candidates)
		if best < 0 || before(candidates[i], candidates[best]) {
			best = i
		}
	}
	return best
}

func before(a, b Candidate) bool {
	if a.Tried != b.Tried {
		return !a.Tried
	}
	if a.Suspect != b.Suspect {
		return !a.Suspect
	}
	return a.Load*int64(b.Weight) < b.Load*int64(a.Weight) // load/weight without division
}

// start returns the candidate that comes first among equals at this turn. Multiples
// of the golden ratio, modulo one, spread evenly whatever the weights are (Knuth, The
// Art of Computer Programming, vol. 3, 6.4).
func start(candidates []Candidate, turn uint64) int {
	total := uint64(0)
	for _, c := range candidates {
		total += uint64(max(0, c.Weight))
	}
	const golden = 0x9e3779b97f4a7c15 // 2^64 / phi
	point, _ := bits.Mul64(turn*golden, total)
	for i, c := range candidates {
		weight := uint64(max(0, c.Weight))
		if point < weight {
			return i
		}
		point -= weight
	}
	return 0
}
