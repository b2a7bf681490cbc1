package main

import (
	"context"

	"github.com/musterdev/muster/bench/calls"
)

// benchCall measures what the policies of a call cost.
func benchCall(ctx context.Context, _ string, rounds int) (*result, error) {
	r := &result{name: "bench-call", title: "What a call's policies cost (`make bench-call`)", method: calls.Method()}
	seen, err := calls.Measure(ctx, rounds, ownCPU)
	for _, f := range seen {
		r.add(&figure{what: f.What, unit: f.Unit, target: f.Target, holds: f.Holds, goal: f.Goal, values: f.Values})
	}
	return r, err
}
