package signal

import "github.com/musterdev/muster/problem"

// ErrFull is why a store cannot keep a batch: the disk has no room.
var ErrFull = problem.New(problem.Unavailable, "the telemetry store has no room left on its disk: free some, or set telemetry.retention lower")
