package bus

import (
	"context"
	"time"
)

// Parking keeps, for a group, the messages that cannot be handled now and, behind
// them, the later ones of the same key, so that other keys go on and the order holds.
// data/parking keeps them in the service's database. It is safe for concurrent use,
// by any number of replicas.
type Parking interface {
	// Held reports whether a message of the key is parked. The key "" is never held.
	Held(ctx context.Context, group, key string) (bool, error)
	// Park puts a message behind those of its key. One that is there by its Source
	// and ID stays as it is.
	Park(ctx context.Context, p Parked) error
	// Due returns, leased to the caller for a few seconds, messages that are to be
	// tried now: of each key only the first, none that is dead.
	Due(ctx context.Context, group string, most int) ([]Parked, error)
	// Settle records what a try came to; it fails when the lease was lost.
	Settle(ctx context.Context, p Parked, o Outcome) error
}

// Keeper is implemented by a Parking whose leases can be extended: while a parked
// message is being tried the Consumer keeps it every second.
type Keeper interface {
	// Keep makes the lease of a message that Due returned last anew; it fails when the
	// lease was lost.
	Keep(ctx context.Context, p Parked) error
}

// Parked is a message that waits.
type Parked struct {
	Msg

	Group    string
	Attempts int       // tries that failed
	Lost     int       // of the last of them, in a row: those that ended without Settle, as in a crash
	Error    string    // of the last of them; "" for one that only waits behind another
	Next     time.Time // not tried before this
	Dead     bool      // not tried again until a person says so; it holds its key
	Receipt  any       // the store's own
}

// Outcome is what a try of a parked message came to.
type Outcome struct {
	Done  bool          // handled: it leaves
	Dead  bool          // otherwise: whether it is dead now
	After time.Duration // otherwise: when to try again
	Error string
}
