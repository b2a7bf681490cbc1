package balance

import (
	"fmt"
	"strings"
)

// Policy names how an endpoint is chosen among those that are well.
type Policy uint8

// The policies. All of them pass over endpoints that are ejected, suspect or already
// tried while others are left.
const (
	// PeakEWMA takes the endpoint with the least expected wait: latency as this caller
	// saw it, times its calls in flight, by weight. The default.
	PeakEWMA Policy = iota
	// LeastLoaded takes the endpoint with the fewest calls of this caller in flight, by
	// weight. For calls whose latency says nothing, such as long polls.
	LeastLoaded
	// RoundRobin takes one after the other, whatever their weights.
	RoundRobin
	// Weighted takes turns by weight, evenly spread in time.
	Weighted
	// Random takes any, by weight.
	Random
	// Hash takes the same endpoint for the same Call.Hash, unless it carries more than
	// 1.25 times its share of this caller's calls in flight; a change of the set moves
	// only the keys of the endpoint that came or went.
	Hash
	// Maglev is Hash by a table: as fast for a thousand endpoints as for three, but a
	// change of the set moves a few more keys, and load is not looked at.
	Maglev
)

var policies = [...]string{"peak-ewma", "least-loaded", "round-robin", "weighted", "random", "hash", "maglev"}

// String returns the policy's name, such as "peak-ewma".
func (p Policy) String() string {
	if int(p) >= len(policies) {
		return fmt.Sprintf("policy(%d)", uint8(p))
	}
	return policies[p]
}

// MarshalText returns the policy's name.
func (p Policy) MarshalText() ([]byte, error) {
	if int(p) >= len(policies) {
		return nil, fmt.Errorf("balance policy %d does not exist: take one of %s", uint8(p), strings.Join(policies[:], ", "))
	}
	return []byte(policies[p]), nil
}

// UnmarshalText reads a policy's name.
func (p *Policy) UnmarshalText(text []byte) error {
	for i, name := range policies {
		if name == string(text) {
			*p = Policy(i)
			return nil
		}
	}
	return fmt.Errorf("balance policy %q does not exist: take one of %s", text, strings.Join(policies[:], ", "))
}
