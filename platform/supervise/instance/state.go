package instance

import "time"

// Phase is where an instance stands.
type Phase string

// The phases of an instance.
const (
	Starting Phase = "starting" // its process runs and has not said yet that it is ready
	Ready    Phase = "ready"
	Unready  Phase = "unready"  // was ready, says no more that it is
	Draining Phase = "draining" // gets no new requests, finishes those it has
	Stopping Phase = "stopping" // was told to end
	Backoff  Phase = "backoff"  // dead, waits to be started again
	Stopped  Phase = "stopped"  // ended as it was told; never starts again
	Failed   Phase = "failed"   // died on trial; never starts again
)

// Final reports whether an instance in this phase is over.
func (p Phase) Final() bool { return p == Stopped || p == Failed }

// State is all that decides what happens to an instance next. It is a value,
// changed by step alone.
type State struct {
	Phase    Phase
	Since    time.Time // when the phase began
	Began    time.Time // when the present life, or the last, began
	ReadyAt  time.Time // when it was first ready in this life; zero: not yet
	Wake     time.Time // when step wants a tick; zero: never
	Life     int       // number of the present life, from 1
	Trial    bool      // its first death is final
	Failures int       // bad lives in a row
	Noes     int       // noes of the readiness probe in a row
	DeadNoes int       // noes of the liveness probe in a row
	Overdue  string    // why it was killed by us: completes "orders-1 ..."

	Follows bool // another process may take its place: its polite end is no failure

	Away time.Duration // how long it is to stay away after its death; 0: as the policy says
}

// Policy says how an instance is treated.
type Policy struct {
	StartWithin  time.Duration // from the start of a life to its first yes
	UnreadyAfter int           // noes in a row that make a ready instance unready
	DeadAfter    int           // noes of the liveness probe in a row after which it is killed
	AtOnceAfter  time.Duration // so long ready, then dead: started again at once
	BackoffFirst time.Duration // the first pause; each next is twice as long
	BackoffMost  time.Duration // the longest pause
	BackoffReset time.Duration // so long ready: earlier bad lives are forgotten
	DrainWithin  time.Duration // from draining to the order to end, at most
	Grace        time.Duration // from the order to end to SIGKILL
}

// An input is what step is told.
type input any

type (
	died struct { // it ended, or could not be started
		signal bool    // a signal ended it
		jitter float64 // 0 to 1, random
	}
	probed struct { // the readiness probe was answered
		life  int
		ready bool
	}
	lived struct { // the liveness probe was answered
		life  int
		alive bool
	}
	crash struct{ away time.Duration } // be killed as if by accident, and stay away for so long

	settle  struct{}                       // the trial is over
	follows struct{ may bool }             // another process may take its place
	leave   struct{ within time.Duration } // another process has: it ends by itself
	drain   struct{}                       // finish what you have, then end
	drained struct{ life int }             // nothing is in flight any more
	stop    struct{}                       // end now
	tick    struct{}                       // it is Wake, or later
)

// An action is what step wants done.
type action string

const (
	launch    action = "launch"    // start a process
	announce  action = "announce"  // tell the registry of the phase, if we hold the lease
	withdraw  action = "withdraw"  // delete the instance from the registry
	quiesce   action = "quiesce"   // begin draining; answer with drained
	terminate action = "terminate" // SIGTERM to the group
	kill      action = "kill"      // SIGKILL to the group
)
