package fault

import (
	"errors"
	"fmt"
	"time"
)

// Proof says how it was seen that a fault is over.
type Proof struct {
	Fault  string        `json:"fault"`  // what was removed, and where
	Seen   string        `json:"seen"`   // what showed it, as a sentence's end: "127.0.0.1:4000 answered ..."
	Took   time.Duration `json:"took"`   // from the order to what was seen, in nanoseconds
	Probes int           `json:"probes"` // looks it took, the clean one included
	Reset  int           `json:"reset"`  // connections reset because bytes of theirs were lost
}

// String returns the proof on one line.
func (p Proof) String() string {
	return fmt.Sprintf("%s is over: %s, after %s", p.Fault, p.Seen, p.Took.Round(100*time.Microsecond))
}

// NotRun is the error of a fault that this machine or this fleet does not permit. It is
// to be reported as not run, never as held or failed.
type NotRun struct {
	Fault  string // what was asked for
	Reason string // why it cannot be had here, and what would permit it
}

// Error returns "FAULT: not run: REASON".
func (e *NotRun) Error() string { return e.Fault + ": not run: " + e.Reason }

// IsNotRun reports whether err says that a fault was not run, and why.
func IsNotRun(err error) (reason string, ok bool) {
	if e, is := errors.AsType[*NotRun](err); is {
		return e.Reason, true
	}
	return "", false
}
