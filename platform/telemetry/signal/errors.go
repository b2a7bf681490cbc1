package signal

import "github.com/musterdev/muster/problem"

// ErrFull is why a store cannot keep a batch: the disk has no room.
var ErrFull = problem.New(problem.Unavailable, "the telemetry store has no room left on its disk: free some, or set telemetry.retention lower")

// MostTrace is how many spans of a trace are read at once. A program that never ends its
// trace would fill the memory of who looks at it.
const MostTrace = 500_000

// ErrLarge is why a trace cannot be had.
var ErrLarge = problem.New(problem.FailedPrecondition, "the trace has more than %d spans, which is more than is shown: its program goes on with one trace for ever", MostTrace)
