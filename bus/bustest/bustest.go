// Package bustest is the suite every broker's driver passes: what package bus promises
// of a Broker, and what the Consumer makes of it, on a real broker. A driver's test
// calls [Run].
package bustest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/musterdev/muster/bus"
	"github.com/musterdev/muster/bus/bustest/consumertest"
	"github.com/musterdev/muster/bus/bustest/place"
)

// Target is a broker that is put to the test.
type Target = place.Target

// several is how many cases run at a time: most of them wait, for leases and delays.
const several = 8

// Run runs the whole suite and prints what the broker can do.
func Run(t *testing.T, target Target) {
	t.Log("capabilities: " + line(target.Caps))
	if target.Restart != nil {
		for _, c := range restarts() { // they disturb all others, so alone and first
			t.Run(c.Name, func(t *testing.T) { in(target, t, c) })
		}
	}
	var all sync.WaitGroup
	room := make(chan struct{}, several)
	if target.Wrap != nil {
		room = make(chan struct{}, 1)
	}
	for _, cases := range [][]place.Case{claims(), publishing(), groups(), orders(), leases(), closing(), telling(), consumertest.Consumers(), consumertest.Parkings()} {
		for _, c := range cases {
			room <- struct{}{}
			all.Go(func() {
				defer func() { <-room }()
				t.Run(c.Name, func(t *testing.T) { in(target, t, c) })
			})
		}
	}
	all.Wait()
}

// in runs a case in a place of its own.
func in(target Target, t *testing.T, c place.Case) {
	run := func(t *testing.T) { c.Run(place.New(t, target)) }
	if target.Wrap != nil {
		target.Wrap(t, run)
		return
	}
	run(t)
}

// line writes capabilities for a reader.
func line(c bus.Caps) string {
	var b strings.Builder
	for _, f := range []struct {
		name string
		has  bool
	}{
		{"order", c.Order},
		{"dedup", c.Dedup},
		{"count", c.Count},
		{"delay", c.Delay},
		{"later", c.Later},
		{"dead", c.Dead},
		{"batch", c.Batch},
	} {
		fmt.Fprintf(&b, "%s=%s ", f.name, map[bool]string{true: "yes", false: "no"}[f.has])
	}
	fmt.Fprintf(&b, "max=%dKiB lease=%v", c.MaxData>>10, c.Lease)
	return b.String()
}
