package machine

import (
	"time"

	"github.com/musterdev/muster/platform/drill/fault"
)

// Clock would step the clock that programs read. It is always [fault.NotRun]: Linux gives no
// process a wall clock of its own (its time namespaces shift only the clocks that do not
// step), stepping the machine's would hit every program on it, and the programs of a fleet
// read no clock that a drill is given to step.
func Clock(step time.Duration) error {
	return &fault.NotRun{
		Fault:  "clock step of " + step.String(),
		Reason: "no program here reads a clock that a drill may step, and the machine's own belongs to everybody on it",
	}
}
