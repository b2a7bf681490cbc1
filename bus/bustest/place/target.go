// Package place is where the cases of package bustest happen: the broker that is put to
// the test, and what every case does with it.
package place

import (
	"testing"
	"time"

	"github.com/musterdev/muster/bus"
)

// Target is a broker that is put to the test.
type Target struct {
	// Open makes one more connection to the broker, as another process would have; all
	// calls reach the same broker. The suite closes it, or t's end does.
	Open func(t *testing.T) bus.Broker
	// Caps are what the driver claims, and what Broker.Caps must return.
	Caps bus.Caps
	// Restart stops the broker and starts it again, with what it has stored, and
	// returns when it is back. nil: the cases about that are left out.
	Restart func(t *testing.T)
	// Dead returns the messages that were terminated and are kept, for Caps.Dead; nil
	// without it.
	Dead func(t *testing.T) []bus.Msg
	// Wrap runs a case; testing/synctest's Test makes one of a broker in memory take no
	// time. nil: the cases are run several at a time, on the clock.
	Wrap func(t *testing.T, run func(t *testing.T))
}

// Patience bounds what a case waits for that is to come.
const Patience = 30 * time.Second

// Case is a case of the suite.
type Case struct {
	Name string
	Run  func(p *Place)
}
